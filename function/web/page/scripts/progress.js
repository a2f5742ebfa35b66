// The wait before a reply, as the stream's comments and /health/ready report it.

const COLD_PHASES = ["starting", "fetching", "loading"];
const PHASES = [...COLD_PHASES, "queued", "prefill"];

/** State before the first byte of the server. */
export const CONNECTING = { phase: "connecting", cold: false, done: null, eta: null, detail: "" };

/** Return the state after `comment`; an unknown comment, a keepalive for instance, changes nothing. */
export function progressed(state, comment) {
  const [word] = comment.split(" ", 1);
  if (!PHASES.includes(word)) return state.phase === "connecting" ? { ...state, phase: "waiting" } : state;
  const percent = /(\d+(?:\.\d+)?)%/.exec(comment);
  const eta = /eta (\d+(?:\.\d+)?)s/.exec(comment);
  const count = /(\d+)\/(\d+)/.exec(comment);
  const next = { phase: word, cold: state.cold || COLD_PHASES.includes(word), done: null, eta: null, detail: "" };
  if (percent) next.done = Math.min(1, Number(percent[1]) / 100);
  if (eta) next.eta = Number(eta[1]);
  if (count && Number(count[2])) {
    next.done = Math.min(1, Number(count[1]) / Number(count[2]));
    next.detail = `${count[1]} of ${count[2]} tokens`;
  }
  if (word === "queued") next.detail = ahead(Number(/\d+/.exec(comment)?.[0] ?? 0));
  return next;
}

/** The progress of a cold start, from the body of /health/ready; null when nothing is starting. */
export function coldProgress({ state, done = null, eta = null }) {
  return COLD_PHASES.includes(state) ? { phase: state, cold: true, done, eta, detail: "" } : null;
}

function ahead(requests) {
  if (!requests) return "next in line";
  return requests === 1 ? "1 request ahead" : `${requests} requests ahead`;
}

/** Return the state in words. */
export function phaseText(state) {
  return {
    connecting: "Connecting",
    waiting: "Waiting for the first token",
    starting: "Starting an instance",
    fetching: "Fetching the model",
    loading: "Loading the model",
    queued: "Waiting for the model to be free",
    prefill: "Reading the conversation",
  }[state.phase];
}

/** Return the details of the phase: a share, a count, a time; may be empty. */
export function detailText(state) {
  const parts = [];
  if (state.detail) parts.push(state.detail);
  else if (state.done !== null) parts.push(`${Math.floor(state.done * 100)}%`);
  if (state.eta !== null) parts.push(`${roughly(state.eta)} left`);
  return parts.join(" · ");
}

/** A time to wait in words: seconds below a minute and a half, minutes above. */
export function roughly(seconds) {
  if (seconds < 1) return "less than a second";
  return seconds < 90 ? `about ${Math.round(seconds)} s` : `about ${Math.round(seconds / 60)} min`;
}
