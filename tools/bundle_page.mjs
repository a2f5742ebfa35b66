// Join the chat page's scripts: `npm run build`. The result is checked in, so that the function needs no Node.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PAGE = new URL("../function/web/page/", import.meta.url);
const SCRIPTS = new URL("scripts/", PAGE);
const BUNDLE = new URL("bundle.js", PAGE);

/** The hash of the sources, by which a test without Node sees that the bundle is theirs. */
function sourcesHash() {
  const names = readdirSync(SCRIPTS, { recursive: true }).filter((name) => name.endsWith(".js")).map((name) => name.replaceAll("\\", "/"));
  const hash = createHash("sha256");
  for (const name of names.sort()) hash.update(`${name}\0`).update(readFileSync(new URL(name, SCRIPTS))).update("\0");
  return hash.digest("hex");
}

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("main.js", SCRIPTS))],
  absWorkingDir: fileURLToPath(SCRIPTS),
  outfile: fileURLToPath(BUNDLE),
  banner: { js: `// Made by \`npm run build\` from scripts/, of which this is the hash: ${sourcesHash()}` },
  bundle: true,
  format: "esm",
  target: "es2023",
  charset: "utf8",
  write: false,
  logLevel: "warning",
});
const [{ text }] = outputFiles;
if (process.argv.includes("--check")) {
  if (readFileSync(BUNDLE, "utf8") !== text) {
    console.error("function/web/page/bundle.js is not what its sources give: run `npm run build`.");
    process.exit(1);
  }
} else {
  writeFileSync(BUNDLE, text);
}
