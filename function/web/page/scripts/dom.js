// Making elements. Text is always set as text; nothing here parses HTML.

/** The element with `id`. */
export function byId(id) {
  return /** @type {any} */ (document.getElementById(id));
}

/** A new element. Of `properties`, functions listen to the event they are named for; the rest are attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** One of the symbols that index.html defines; decoration, so hidden from assistive technology. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows a symbol; its label is also its tooltip. */
export function iconButton(name, label, click, properties = {}) {
  return element("button", { type: "button", class: "icon-button", title: label, "aria-label": label, click, ...properties }, icon(name));
}
