// Sampling settings of a conversation. The server decides about empty ones.

export const SAMPLING = [
  { name: "temperature", label: "Temperature", usual: "0.8", min: 0, max: 2, step: 0.05, hint: "0 always takes the likeliest token" },
  { name: "max_tokens", label: "Max tokens", usual: "no limit", min: 1, step: 1, hint: "The longest reply" },
  { name: "top_p", label: "Top p", usual: "0.95", min: 0, max: 1, step: 0.01, hint: "Keep the likeliest tokens up to this share" },
  { name: "top_k", label: "Top k", usual: "40", min: 0, step: 1, hint: "Keep this many of the likeliest tokens" },
  { name: "min_p", label: "Min p", usual: "0.05", min: 0, max: 1, step: 0.01, hint: "Drop tokens below this share of the best" },
  { name: "repeat_penalty", label: "Repeat penalty", usual: "1", min: 0.1, max: 2, step: 0.05, hint: "Above 1 discourages repetition" },
  { name: "presence_penalty", label: "Presence penalty", usual: "0", min: -2, max: 2, step: 0.1, hint: "Above 0 favours new words" },
  { name: "seed", label: "Seed", usual: "random", min: 0, step: 1, hint: "The same seed gives the same reply" },
];

/** Return the request's fields for `settings`, without the empty ones. */
export function samplingFields(settings) {
  const fields = {};
  for (const { name } of SAMPLING) {
    if (typeof settings[name] === "number") fields[name] = settings[name];
  }
  return fields;
}
