// The search's form: pictures that are dropped, pasted or chosen, chips, switches that act at once, and its keys.

import { toast } from "./frame.js";
import "./grid.js";
import "./viewer.js";

const LARGEST = 20 * 1024 * 1024; // bytes of a picture to search by
const SKELETON_AFTER = 200; // milliseconds without an answer
const SKELETONS = ["r150", "r67", "r133", "r178", "r100", "r150", "r125", "r75", "r133", "r150", "r169", "r100"];
const TYPES = { heic: "image/heic", heif: "image/heif", avif: "image/avif", jp2: "image/jp2", tif: "image/tiff" };

// Words come by themselves from the empty page: their search has an address of its own.
if (new URLSearchParams(location.search).has("words")) {
  const here = document.getElementById("results")?.dataset.here;
  if (here) history.replaceState(history.state, "", here);
}

const form = () => document.getElementById("search");

/** Sends the form of the search, with one more field. */
function searchWith(name, value) {
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = name;
  field.value = value;
  form().append(field);
  form().requestSubmit();
}

function csrfHeaders() {
  return JSON.parse(document.body.getAttribute("hx-headers") ?? "{}");
}

/** The id of a picture that has been sent to the storage; throws a sentence for the reader. */
async function sent(file) {
  const say = form().dataset;
  const type = file.type || TYPES[file.name.split(".").pop().toLowerCase()] || "";
  if (!type.startsWith("image/")) throw say.noPicture;
  if (file.size > LARGEST) throw say.tooLarge;
  const fields = new URLSearchParams({ size: file.size, mime_type: type });
  const prepared = await fetch(say.upload, { method: "POST", body: fields, headers: csrfHeaders() });
  if (!prepared.ok) throw { 413: say.tooLarge, 415: say.noPicture }[prepared.status] ?? say.lost;
  const { id, url, fields: signed } = await prepared.json();
  const body = new FormData();
  for (const [name, value] of Object.entries(signed)) body.append(name, value);
  body.append("file", file);
  const stored = await fetch(url, { method: "POST", body });
  if (!stored.ok) throw say.lost;
  return id;
}

async function searchBy(file) {
  const button = form().querySelector(".composer .btn.main");
  const waiting = document.createElement("li");
  waiting.className = "chip skeleton";
  waiting.setAttribute("aria-label", form().dataset.reading);
  waiting.append(`\u00a0${form().dataset.reading}\u00a0`);
  document.getElementById("terms")?.append(waiting);
  button.setAttribute("aria-busy", "true");
  try {
    searchWith("upload", await sent(file));
  } catch (reason) {
    toast(typeof reason === "string" ? reason : form().dataset.lost);
  } finally {
    waiting.remove();
    button.removeAttribute("aria-busy");
  }
}

function pictureOf(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/") || file.type === "");
}

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.matches("[data-picture]") && target.files.length) {
    searchBy(target.files[0]);
    target.value = "";
  }
  if (target.matches("#search [data-now]")) form().requestSubmit();
});

document.addEventListener("paste", (event) => {
  const file = form() && pictureOf(event.clipboardData);
  if (!file) return;
  event.preventDefault();
  searchBy(file);
});

const hasFiles = (event) => form() && event.dataTransfer?.types.includes("Files");
const showDrop = (over) => {
  for (const place of document.querySelectorAll("[data-drop]")) place.classList.toggle("over", over);
};
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  showDrop(true);
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) showDrop(false);
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  showDrop(false);
  const file = pictureOf(event.dataTransfer);
  if (file) searchBy(file);
  else toast(form().dataset.noPicture);
});

// htmx sends a button's name only if the button lies within its form.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.('button[form="search"][name]');
  if (!button || !form()) return;
  event.preventDefault();
  searchWith(button.name, button.value);
});

document.addEventListener("submit", (event) => {
  const busy = event.target.dataset?.busy;
  const button = busy && event.target.querySelector("button");
  if (!button) return;
  if (button.getAttribute("aria-busy") === "true") event.preventDefault();
  button.setAttribute("aria-busy", "true");
  button.textContent = busy;
});

const isField = (element) => element?.matches?.("input:not([type=checkbox], [type=radio]), textarea, select");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const words = document.getElementById("words");
  if (event.key === "Backspace" && event.target === words && words.value === "") {
    [...document.querySelectorAll("#terms .drop-term")].pop()?.click();
  }
  if (isField(event.target)) return;
  if (event.key === "/") {
    event.preventDefault();
    if (words) words.focus();
    else document.querySelector(".brand").click();
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  }
});

let skeleton, covered;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id !== "results") return;
  skeleton = setTimeout(() => {
    const grid = document.getElementById("grid");
    document.getElementById("results")?.setAttribute("aria-busy", "true");
    covered ??= [...(grid?.childNodes ?? [])];
    grid?.replaceChildren(
      ...SKELETONS.map((shape) => {
        const tile = document.createElement("li");
        tile.className = `tile ${shape} skeleton`;
        return tile;
      }),
    );
  }, SKELETON_AFTER);
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.target?.id !== "results") return;
  clearTimeout(skeleton);
  // A search that fails leaves the pictures that were there.
  if (covered && !event.detail.successful) {
    document.getElementById("results")?.removeAttribute("aria-busy");
    document.getElementById("grid")?.replaceChildren(...covered);
  }
  covered = undefined;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id !== "results") return;
  scrollTo(0, 0);
  if (document.activeElement === document.body) document.getElementById("results-title")?.focus();
});
