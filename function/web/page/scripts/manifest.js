import { PLACE } from "./place.js";
import { element } from "./dom.js";

/**
 * Let the browser install the page. The manifest is data of the page: it needs absolute addresses, and one from the server would
 * be requested without the cookies of a proxy that asks for a login.
 */
export function installable() {
  const icon = (rel) => /** @type {HTMLLinkElement} */ (document.querySelector(`link[rel="${rel}"]`)).href;
  const color = /** @type {HTMLMetaElement} */ (document.querySelector('meta[name="theme-color"]')).content;
  const scope = location.origin + PLACE.replace(/(.)\/$/, "$1");
  const manifest = {
    name: "Chat",
    short_name: "Chat",
    description: "A conversation with a language model",
    id: scope,
    start_url: scope,
    scope,
    display: "standalone",
    theme_color: color,
    background_color: color,
    icons: [
      { src: icon("icon"), sizes: "any", type: "image/svg+xml" },
      { src: icon("apple-touch-icon"), sizes: "192x192", type: "image/png", purpose: "maskable" },
    ],
  };
  document.head.append(element("link", { rel: "manifest", href: `data:application/manifest+json,${encodeURIComponent(JSON.stringify(manifest))}` }));
}
