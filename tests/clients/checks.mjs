// Runner of one client's checks: prints a line for each.

export async function run(checks) {
  let failed = false;
  for (const check of checks) {
    try {
      await check();
      console.log(`${check.name}: ok`);
    } catch (error) {
      failed = true;
      console.log(`${check.name}: FAIL ${String(error).replace(/\s+/g, " ").slice(0, 400)}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

export function assert(condition, message = "the assertion failed") {
  if (!condition) throw new Error(String(message));
}

export async function rejects(action, test) {
  try {
    await action();
  } catch (error) {
    assert(test(error), error);
    return;
  }
  throw new Error("nothing was thrown");
}
