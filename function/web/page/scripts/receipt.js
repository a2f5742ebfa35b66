// The server's account of one reply, as it is kept with the statistics, and in words.

const PHASES = [
  ["fetch", "Fetching the model"],
  ["load", "Loading the model"],
  ["wait", "Waiting for the model"],
  ["queued", "Waiting in line"],
  ["prefill", "Reading the conversation"],
];
const MIN_SHOWN_SECONDS = 0.001;

/** Return the known fields of a receipt that have the right type; null if `data` is no receipt. */
export function readReceipt(data) {
  if (typeof data?.seconds !== "object" || typeof data?.tokens !== "object") return null;
  const receipt = { seconds: numbers(data.seconds), tokens: numbers(data.tokens) };
  if (typeof data.request_id === "string") receipt.request_id = data.request_id;
  if (typeof data.model?.name === "string") receipt.model = { name: data.model.name };
  return receipt;
}

function numbers(values) {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => Number.isFinite(value)));
}

/** Return labels and values, two texts each, of a reply's statistics. */
export function receiptRows({ firstToken, speed, tokens, usage, receipt }) {
  const { seconds = {}, tokens: counts = {} } = receipt ?? {};
  const rows = PHASES.filter(([phase]) => seconds[phase] >= MIN_SHOWN_SECONDS).map(([phase, label]) => [label, secondsText(seconds[phase])]);
  if (seconds.total > seconds.first_token) rows.push(["Writing the reply", secondsText(seconds.total - seconds.first_token)]);
  if (seconds.total) rows.push(["In all, on the server", secondsText(seconds.total)]);
  rows.push(["First token, seen here", secondsText(firstToken)]);
  const prompt = counts.prompt ?? usage?.prompt_tokens;
  if (prompt) rows.push(["Conversation", tokensText(prompt, counts.cached, "read before")]);
  if (tokens) rows.push(["Reply", tokensText(tokens, counts.reasoning, "thoughts")]);
  const rate = counts.per_second ?? speed;
  if (rate) rows.push(["Speed", `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`]);
  if (receipt?.model) rows.push(["Model", receipt.model.name]);
  if (receipt?.request_id) rows.push(["Request", receipt.request_id]);
  return rows;
}

function tokensText(count, part, name) {
  const whole = count === 1 ? "1 token" : `${count.toLocaleString("en")} tokens`;
  return part ? `${whole}, ${part.toLocaleString("en")} of them ${name}` : whole;
}

/** A measured time in words. */
export function secondsText(seconds) {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`;
}
