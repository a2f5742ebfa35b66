import { announce } from "./announce.js";
import { element } from "./dom.js";
import { detailText, phaseText } from "./progress.js";

const COLD_STEPS = [
  { name: "Start", phases: ["connecting", "starting"] },
  { name: "Fetch", phases: ["fetching"] },
  { name: "Load", phases: ["loading"] },
  { name: "Read", phases: ["queued", "prefill", "waiting"] },
];
const CLOCK_AFTER_SECONDS = 3; // shorter waits show no time

/** The wait before the first token: one line for a warm model, a bar for each step of a cold start. */
export class WaitingView {
  #began;
  #state = null;
  #announced = "";
  #phase = element("span", { class: "wait-phase" });
  #detail = element("span", { class: "wait-detail" });
  #steps = COLD_STEPS.map(({ name }) => {
    const fill = element("span", { class: "fill" });
    return { fill, item: element("span", { class: "step" }, element("span", { class: "track" }, fill), element("span", { class: "step-name" }, name)) };
  });
  #bar = element("div", { class: "steps", role: "progressbar", "aria-label": "Progress" }, ...this.#steps.map(({ item }) => item));

  /** `began`: when the wait began, on performance.now()'s clock. */
  constructor(began) {
    this.#began = began;
    const dots = element("span", { class: "dots", "aria-hidden": "true" }, element("i"), element("i"), element("i"));
    this.element = element("div", { class: "wait" }, element("div", { class: "wait-line" }, dots, this.#phase, this.#detail), this.#bar);
    this.#clock();
  }

  update(state) {
    this.#state = state;
    this.element.dataset.phase = state.phase;
    this.element.classList.toggle("cold", state.cold);
    this.#phase.textContent = phaseText(state);
    this.#showDetail();
    this.#showBar(state);
    this.#speak(state);
  }

  #showDetail() {
    const seconds = Math.floor((performance.now() - this.#began) / 1000);
    const known = this.#state ? detailText(this.#state) : "";
    this.#detail.textContent = known || (seconds >= CLOCK_AFTER_SECONDS ? `${seconds} s` : "");
  }

  #showBar(state) {
    const current = COLD_STEPS.findIndex(({ phases }) => phases.includes(state.phase));
    this.#steps.forEach(({ item, fill }, index) => {
      const done = index < current ? 1 : index === current ? state.done : 0;
      item.classList.toggle("done", index < current);
      item.classList.toggle("current", index === current);
      item.classList.toggle("unmeasured", done === null);
      fill.style.setProperty("--done", done ?? 1);
    });
    this.#bar.setAttribute("aria-valuetext", [phaseText(state), detailText(state)].filter(Boolean).join(", "));
    if (state.done === null) this.#bar.removeAttribute("aria-valuenow");
    else this.#bar.setAttribute("aria-valuenow", Math.round(state.done * 100));
  }

  /** Announce each phase once, and a long one at every quarter, so that a screen reader can finish its sentence. */
  #speak(state) {
    const quarter = state.done === null ? 0 : Math.floor(state.done * 4) * 25;
    const words = state.phase === "queued" ? `${phaseText(state)}, ${state.detail}` : phaseText(state);
    const text = quarter && quarter < 100 ? `${words}, ${quarter}%` : words;
    if (text === this.#announced || state.phase === "connecting") return;
    this.#announced = text;
    announce(text);
  }

  #clock() {
    const timer = setInterval(() => {
      if (this.element.isConnected || !this.#state) this.#showDetail();
      else clearInterval(timer);
    }, 1000);
  }
}
