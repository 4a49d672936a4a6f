// The grid of results: one tab stop, keys, the selection, and the next page before its end is seen.

import { toast } from "./frame.js";

const AHEAD = "1200px"; // how far before the end of what is shown the next page is asked for
const tiles = () => [...document.querySelectorAll('[data-keys="grid"] > .tile')].filter((tile) => tile.firstElementChild);
const link = (tile) => tile.querySelector("a");
const pick = (tile) => tile.querySelector(".pick input");

/** Leaves one tile in the order of the tab key: the current one, or the first. */
function setTabStop(current) {
  const all = tiles();
  const stop = all.includes(current) ? current : all.find((tile) => link(tile).tabIndex === 0) ?? all[0];
  for (const tile of all) {
    for (const control of tile.querySelectorAll("a, button, input")) control.tabIndex = -1;
    link(tile).tabIndex = tile === stop ? 0 : -1;
  }
}

function focusTile(tile) {
  setTabStop(tile);
  link(tile).focus();
  tile.scrollIntoView({ block: "nearest" });
}

/** The tile that an arrow leads to: before or behind, or the one in the next row whose middle is nearest. */
function neighbour(tile, key) {
  const all = tiles();
  const place = all.indexOf(tile);
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const forward = (key === "ArrowRight") !== (getComputedStyle(tile).direction === "rtl");
    return all[place + (forward ? 1 : -1)];
  }
  const own = tile.getBoundingClientRect();
  const middle = own.left + own.width / 2;
  const beyond = all
    .map((other) => ({ other, box: other.getBoundingClientRect() }))
    .filter(({ box }) => (key === "ArrowDown" ? box.top >= own.bottom - 1 : box.bottom <= own.top + 1));
  const edge = key === "ArrowDown" ? Math.min(...beyond.map(({ box }) => box.top)) : Math.max(...beyond.map(({ box }) => box.top));
  const row = beyond.filter(({ box }) => Math.abs(box.top - edge) < 2);
  const away = ({ box }) => Math.abs(box.left + box.width / 2 - middle);
  return row.sort((one, other) => away(one) - away(other))[0]?.other;
}

function select(tile, on) {
  pick(tile).checked = on;
  sayHowMany();
}

function sayHowMany() {
  const status = document.getElementById("selected");
  const count = tiles().filter((tile) => pick(tile).checked).length;
  if (status && count) status.textContent = status.dataset.text.replace("{count}", count);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(document.body.dataset.copied);
  } catch {
    toast(document.body.dataset.notCopied);
  }
}

document.addEventListener("keydown", (event) => {
  const tile = event.target.closest?.('[data-keys="grid"] > .tile');
  if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key);
  if (arrow) {
    const next = neighbour(tile, event.key);
    event.preventDefault();
    if (!next) return;
    if (event.shiftKey) {
      select(tile, true);
      select(next, true);
    }
    focusTile(next);
  } else if (event.key === " ") {
    event.preventDefault();
    select(tile, !pick(tile).checked);
  } else if (event.key === "m" || event.key === "l") {
    tile.querySelector(`button[name="${event.key === "m" ? "more" : "less"}"]`).click();
  } else if (event.key === "c") {
    copy(tile.dataset.address);
  }
});

document.addEventListener("keydown", (event) => {
  const picked = document.getElementById("picked");
  if (event.key !== "Escape" || !picked || document.querySelector("dialog[open], details.pop[open]")) return;
  if (tiles().some((tile) => pick(tile).checked)) picked.reset();
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".pick input")) sayHowMany();
  if (event.target.matches('[name="zoom"]')) {
    sessionStorage.setItem("zoom", event.target.value);
    sharpen();
  }
});

document.addEventListener("focusin", (event) => {
  const tile = event.target.closest?.('[data-keys="grid"] > .tile');
  if (tile) setTabStop(tile);
});

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-copy-list]")) return;
  copy(tiles().filter((tile) => pick(tile).checked).map((tile) => tile.dataset.address).join("\n"));
});

/** Large pictures are wider than their sizes say; without these the browser takes the larger thumbnail. */
function sharpen() {
  if (!document.querySelector('[name="zoom"][value="l"]:checked')) return;
  for (const picture of document.querySelectorAll("#results img[sizes]")) picture.removeAttribute("sizes");
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      target.click();
    }
  },
  { rootMargin: `0px 0px ${AHEAD} 0px` },
);

/** Takes up what is new in the grid; tiles that were there stay as they are. */
export function refresh() {
  setTabStop();
  const zoom = sessionStorage.getItem("zoom");
  const size = zoom && document.querySelector(`[name="zoom"][value="${zoom}"]`);
  if (size) size.checked = true;
  sharpen();
  const next = document.querySelector("[data-next]");
  if (next) seen.observe(next);
}

// Who has asked for more goes on at the first picture that came.
let shown = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const asked = detail.target.id === "next" && detail.target.contains(document.activeElement);
  shown = asked ? tiles().length : null;
});
document.addEventListener("htmx:afterSettle", () => {
  refresh();
  const next = shown !== null && document.activeElement === document.body ? tiles()[shown] ?? tiles().at(-1) : null;
  shown = null;
  if (next) focusTile(next);
});
refresh();
