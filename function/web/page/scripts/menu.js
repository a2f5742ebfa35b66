import { element, icon } from "./dom.js";

let opened = null;

/** Open a menu at `anchor`, or close it if it is open there. `items`: `{label, symbol, run}` each. */
export function openMenu(anchor, items) {
  const again = opened?.anchor === anchor;
  closeMenu();
  if (again) return;
  const buttons = items.map(({ label, symbol, run, danger }) => {
    const click = () => {
      closeMenu();
      run();
    };
    const style = danger ? "menu-item danger" : "menu-item";
    return element("button", { type: "button", role: "menuitem", class: style, tabindex: "-1", click }, icon(symbol), label);
  });
  const menu = element("div", { class: "menu", role: "menu", "aria-label": anchor.getAttribute("aria-label"), keydown: keys }, ...buttons);
  anchor.closest("nav, main").append(menu);
  place(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  opened = { anchor, menu };
  buttons[0].focus();
  document.addEventListener("pointerdown", outside);
  globalThis.addEventListener("resize", closeMenu);
}

function closeMenu() {
  if (!opened) return;
  const { anchor, menu } = opened;
  opened = null;
  document.removeEventListener("pointerdown", outside);
  globalThis.removeEventListener("resize", closeMenu);
  anchor.setAttribute("aria-expanded", "false");
  if (menu.contains(document.activeElement)) anchor.focus();
  menu.remove();
}

function outside(event) {
  if (!opened.menu.contains(event.target) && !opened.anchor.contains(event.target)) closeMenu();
}

function place(menu, anchor) {
  const { left, right, top, bottom } = anchor.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = menu;
  const below = bottom + 4 + offsetHeight < innerHeight;
  const x = right - offsetWidth > 8 ? right - offsetWidth : left;
  menu.style.left = `${Math.min(x, innerWidth - offsetWidth - 8)}px`;
  menu.style.top = `${below ? bottom + 4 : Math.max(8, top - offsetHeight - 4)}px`;
}

function keys(event) {
  const items = [...event.currentTarget.children];
  const at = items.indexOf(document.activeElement);
  const to = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    items[to].focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    closeMenu();
  }
}
