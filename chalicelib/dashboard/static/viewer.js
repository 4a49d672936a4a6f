// One picture over the results: the grid stays in memory, so the way back is at once and to the same place.

import { localise } from "./frame.js";

let results = null; // what the picture stands in place of, while one does
let resultsAddress = ""; // of the results that were left last
let asked = null; // aborts the request for the picture that was asked for last

const main = () => document.getElementById("main");
const picture = () => document.getElementById("picture");

/** The main part of a picture's page; null where only the whole page will do, or the request was aborted. */
async function load(address, signal) {
  try {
    const response = await fetch(address, { headers: { "HX-Request": "true" }, signal });
    const isPart = response.ok && !response.redirected && !response.headers.has("HX-Redirect");
    return isPart ? await response.text() : null;
  } catch {
    return null;
  }
}

/**
 * Shows the picture of an address, unless another one is asked for before it is there.
 * ``history`` says what becomes of the address: pushed, replaced or left.
 */
async function open(address, history, from = null) {
  asked?.abort();
  const { signal } = (asked = new AbortController());
  const text = await load(address, signal);
  if (signal.aborted) return;
  if (text === null) {
    location.assign(address);
    return;
  }
  if (results === null) {
    const kept = document.createDocumentFragment();
    if (history !== "leave") resultsAddress = location.href;
    results = { kept, from, scroll: scrollY, title: document.title };
    kept.append(...main().childNodes);
  }
  main().innerHTML = text;
  htmx.process(main());
  localise(main());
  if (history === "push") window.history.pushState({ picture: true }, "", address);
  if (history === "replace") window.history.replaceState({ picture: true }, "", address);
  const name = document.getElementById("picture-name");
  document.title = `${name.textContent} · ${document.title.split(" · ").pop()}`;
  scrollTo(0, 0);
  name.focus({ preventScroll: true });
}

/** Puts the results back as they were, and the focus on the picture that was looked at last. */
function close() {
  const uuid = picture()?.closest("main").querySelector("#similar-strip")?.getAttribute("hx-get");
  const { kept, from, scroll, title } = results;
  results = null;
  main().replaceChildren(kept);
  document.title = title;
  scrollTo(0, scroll);
  const last = [...main().querySelectorAll('[data-keys="grid"] > .tile > a')].find((link) =>
    uuid?.startsWith(link.pathname.replace(/\/$/, "")),
  );
  (last ?? from)?.focus({ preventScroll: last === from });
}

const isPlain = (event) =>
  event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey && !event.defaultPrevented;

document.addEventListener("click", (event) => {
  if (!isPlain(event)) return;
  const tile = event.target.closest?.('[data-keys="grid"] > .tile > a:first-child');
  if (tile) {
    event.preventDefault();
    open(tile.href, "push", tile);
    return;
  }
  if (results === null) return;
  const link = event.target.closest?.("a");
  if (link?.matches(".stage .prev, .stage .next")) {
    event.preventDefault();
    open(link.href, "replace");
  } else if (link?.matches("[data-back]")) {
    event.preventDefault();
    history.back();
  }
});

// Before htmx, which would load the results anew.
window.addEventListener(
  "popstate",
  (event) => {
    asked?.abort();
    if (results !== null && location.href === resultsAddress) {
      event.stopImmediatePropagation();
      close();
    } else if (event.state?.picture) {
      event.stopImmediatePropagation();
      open(location.href, "leave");
    } else if (picture() && !event.state?.htmx) {
      location.reload(); // the page was loaded anew since: its results are not in memory
    }
  },
  { capture: true },
);

document.addEventListener("keydown", (event) => {
  const on = picture();
  const within = on?.contains(document.activeElement);
  if (!on || (!within && document.activeElement !== document.body)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.target.matches?.("input, textarea, select") || document.querySelector("dialog[open], details.pop[open]")) return;
  const press = (selector) => on.ownerDocument.querySelector(selector)?.click();
  if (event.key === "ArrowLeft") press(".stage .prev");
  else if (event.key === "ArrowRight") press(".stage .next");
  else if (event.key === "Escape") press("[data-back]");
  else if (within && event.key === "m") press("[data-more]");
  else if (within && event.key === "l") press("[data-less]");
  else if (within && event.key === "c") press(".facts-side [data-copy]");
});
