// Builders of elements. Text is always set as text; nothing here parses HTML.

/** Return the element with `id`. */
export function byId(id) {
  return /** @type {any} */ (document.getElementById(id));
}

/** Return a new element. Functions in `properties` listen to the event of their name; the rest are attributes. */
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

/** Return a symbol of index.html; it is decoration and hidden from assistive technology. */
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

/** Return a button with a symbol; its label is also its tooltip. */
export function iconButton(name, label, click, properties = {}) {
  return element("button", { type: "button", class: "icon-button", title: label, "aria-label": label, click, ...properties }, icon(name));
}
