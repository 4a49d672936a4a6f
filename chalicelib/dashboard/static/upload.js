// Uploads many files and folders straight to storage, several at a time: each is prepared by the page's own endpoint,
// sent with the form that it answers, and completed there. What a row shows are templates of the page.

import { isOffline } from "./frame.js";
import { bytes, duration, fill, number, root, settings, words } from "./upload_words.js";

const AT_ONCE = 4;
const ROWS = 200; // shown at once: under way first, then the last that finished
const BREAKS = 2; // times that a broken connection is tried again by itself
const PREVIEW_BYTES = 8_000_000; // a larger picture costs the browser more than its thumbnail is worth

const { uploads: endpoint, limit, types } = settings;
const token = document.querySelector('#one input[name="csrf"]').value;
const at = (id) => document.getElementById(id);

const items = [];
const saying = [];
const timing = { since: 0, sent: 0 };
let pausedAll = false;
let saidTenth = -1;
let saidRefused = 0;
let drawing = false;

class Refused extends Error {
  constructor(message, { ends = false } = {}) {
    super(message);
    this.ends = ends;
  }
}
class Broken extends Error {}

const typeOf = (name) => types[name.slice(name.lastIndexOf(".") + 1).toLowerCase()];

// Adding files.

function add(file, path) {
  const item = { file, path, state: "waiting", sent: 0, breaks: 0 };
  if (file.size > limit) refuse(item, words.too_large);
  else if (file.size === 0) refuse(item, words.empty);
  else if (!typeOf(file.name) && !file.type.startsWith("image/")) refuse(item, words.no_picture);
  items.push(item);
}

function addList(files) {
  for (const file of files) add(file, file.webkitRelativePath || file.name);
  start();
}

async function addEntry(entry, folder) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (!file.name.startsWith(".")) add(file, folder + file.name);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred entries at a time: https://developer.mozilla.org/docs/Web/API/FileSystemDirectoryReader
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const each of entries) await addEntry(each, `${folder}${entry.name}/`);
    draw();
  }
}

async function addDropped(transfer) {
  const entries = [...transfer.items].map((each) => each.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return addList(transfer.files);
  for (const entry of entries) await addEntry(entry, "");
  start();
}

// Sending.

async function call(address, fields) {
  let answer;
  try {
    const headers = { "X-CSRF-Token": token };
    answer = await fetch(address, { method: "POST", headers, body: new URLSearchParams(fields), redirect: "manual" });
  } catch {
    throw new Broken();
  }
  if (answer.type === "opaqueredirect" || answer.status === 0) throw new Refused(words.session);
  const isJson = answer.headers.get("content-type")?.startsWith("application/json");
  const body = isJson ? await answer.json() : {};
  if (answer.ok) return body;
  if (answer.status === 429 || answer.status === 503) {
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get("retry-after") || 5)));
    return call(address, fields);
  }
  if (answer.status >= 500) throw new Broken(); // API Gateway's own words are for programs
  throw new Refused(body.message ?? words.session, { ends: body.ends });
}

function send(item, { url, fields }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", item.file);
  const request = new XMLHttpRequest();
  item.request = request;
  return new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => {
      item.sent = Math.min(item.file.size, Math.round((event.loaded / event.total) * item.file.size));
      showProgress(item);
      draw();
    });
    request.addEventListener("load", () => (request.status < 300 ? resolve() : reject(new Broken())));
    request.addEventListener("error", () => reject(new Broken()));
    request.addEventListener("abort", () => reject(new Broken()));
    request.open("POST", url);
    request.send(form);
  });
}

async function upload(item) {
  become(item, "sending");
  try {
    const announced = { path: item.path, size: item.file.size, mime_type: typeOf(item.file.name) ?? item.file.type };
    const prepared = await call(endpoint, announced);
    item.id = prepared.id;
    if (item.state !== "sending") return cancel(item);
    await send(item, prepared);
    item.sent = item.file.size;
    become(item, "reading");
    const done = await call(`${endpoint}/${item.id}`, { do: "complete" });
    Object.assign(item, { address: done.address, thumbnail: done.thumbnail });
    become(item, done.duplicate ? "duplicate" : "done");
  } catch (error) {
    await failed(item, error);
  } finally {
    item.request = undefined;
  }
}

async function failed(item, error) {
  if (item.state === "paused" || item.state === "left") return cancel(item);
  if (!(error instanceof Broken)) {
    refuse(item, error instanceof Refused ? error.message : words.unreadable);
    if (error.ends) refuseRest(error.message);
    return;
  }
  const percent = Math.round((item.sent / item.file.size) * 100);
  cancel(item);
  item.sent = 0;
  if (isOffline()) return become(item, "waiting");
  item.breaks += 1;
  if (item.breaks > BREAKS) return refuse(item, fill(words.broke, { percent }));
  become(item, "waiting");
  await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** item.breaks));
}

/** Frees what an upload has reserved; one that is not told so ends by itself after ten minutes. */
function cancel(item) {
  const { id } = item;
  item.id = undefined;
  if (id) call(`${endpoint}/${id}`, { do: "cancel" }).catch(() => undefined);
}

function refuse(item, reason) {
  item.reason = reason;
  become(item, "refused");
}

function refuseRest(reason) {
  for (const item of items) if (item.state === "waiting") refuse(item, reason);
}

function start() {
  if (!timing.since && items.some((each) => each.state === "waiting")) timing.since = performance.now();
  draw();
  pump();
}

function pump() {
  if (pausedAll || isOffline()) return;
  let busy = items.filter((each) => each.state === "sending" || each.state === "reading").length;
  for (const item of items) {
    if (busy >= AT_ONCE) break;
    if (item.state !== "waiting" || item.running) continue;
    busy += 1;
    item.running = true;
    upload(item).finally(() => {
      item.running = false;
      pump();
    });
  }
}

// What a person does.

const actions = {
  pause(item) {
    become(item, "paused");
    item.sent = 0;
    item.request?.abort();
  },
  resume: (item) => become(item, "waiting"),
  leave: (item) => become(item, "left"),
  retry(item) {
    item.breaks = 0;
    become(item, "waiting");
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#many [data-do]");
  const item = button && items.find((each) => each.row === button.closest("li"));
  if (!item) return;
  actions[button.dataset.do](item);
  start();
});

at("pause-all").addEventListener("click", () => {
  pausedAll = !pausedAll;
  if (pausedAll) for (const item of items) if (item.state === "sending") actions.pause(item);
  if (!pausedAll) for (const item of items) if (item.state === "paused") actions.resume(item);
  start();
});
at("cancel-rest").addEventListener("click", () => {
  for (const item of items) {
    if (["waiting", "paused", "sending"].includes(item.state)) {
      become(item, "left");
      item.request?.abort();
    }
  }
  start();
});
at("try-all").addEventListener("click", () => {
  for (const item of items) if (item.state === "refused") actions.retry(item);
  start();
});
at("hide-finished").addEventListener("change", draw);
for (const id of ["files", "folder"]) {
  const field = at(id);
  const take = () => {
    addList(field.files);
    field.value = "";
  };
  field.addEventListener("change", take);
  if (field.files.length) take(); // chosen before this module was loaded
}

let over = 0;
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
const marked = (inside) => at("drop").classList.toggle("over", inside);
addEventListener("dragenter", (event) => carriesFiles(event) && marked(++over > 0));
addEventListener("dragleave", (event) => carriesFiles(event) && marked((over = Math.max(0, over - 1)) > 0));
addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  marked((over = 0) > 0);
  addDropped(event.dataTransfer);
});

addEventListener("online", pump);
addEventListener("beforeunload", (event) => {
  if (items.some((each) => ["waiting", "sending", "reading", "paused"].includes(each.state))) event.preventDefault();
});

// Showing.

function become(item, state) {
  item.state = state;
  item.stale = true;
  if (["done", "duplicate"].includes(state)) item.finished = performance.now();
  draw();
}

/** Draws once a frame, however much has changed. */
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawRows();
    drawOverall();
  });
}

function drawRows() {
  const focused = items.find((each) => each.row?.contains(document.activeElement));
  const live = items.filter((each) => !["refused", "left"].includes(each.state));
  const isDone = (each) => each.finished !== undefined;
  const active = live.filter((each) => each.running || each.state === "paused");
  const waiting = live.filter((each) => !isDone(each) && !active.includes(each));
  const done = at("hide-finished").checked ? [] : live.filter(isDone).sort((a, b) => b.finished - a.finished);
  const shown = [...active.filter((each) => !isDone(each)), ...waiting.slice(0, ROWS / 2), ...done].slice(0, ROWS);
  arrange(at("uploads"), shown);
  const refused = items.filter((each) => each.state === "refused");
  arrange(at("refused-rows"), refused.slice(0, ROWS));
  at("under-way").hidden = live.length === 0;
  at("refusals").hidden = refused.length === 0;
  at("refused").textContent = fill(words.refused, { count: number.format(refused.length) });
  sayRefused(refused);
  // The pressed button may be gone: focus goes to what replaced it, or to the heading of all.
  if (!focused || document.activeElement !== document.body) return;
  const control = focused.row.isConnected && focused.row.querySelector("[data-do], a");
  (control || at("all")).focus({ preventScroll: true });
}

function arrange(list, shown) {
  const rows = new Set(shown.map((each) => each.row).filter(Boolean));
  for (const row of [...list.children]) if (!rows.has(row)) row.remove();
  shown.forEach((item, index) => {
    item.row ??= newRow(item);
    if (item.stale) showState(item);
    if (list.children[index] !== item.row) list.insertBefore(item.row, list.children[index] ?? null);
  });
}

function newRow(item) {
  const row = at("row").content.firstElementChild.cloneNode(true);
  const slash = item.path.lastIndexOf("/") + 1;
  row.querySelector(".name span").textContent = item.path.slice(slash);
  row.querySelector(".folder").textContent = item.path.slice(0, slash);
  row.querySelector(".size").textContent = `${slash ? " · " : ""}${bytes(item.file.size)}`;
  item.stale = true;
  if (item.file.size <= PREVIEW_BYTES && /^image\/(jpeg|png|gif|webp|avif|bmp)$/.test(item.file.type)) preview(item, row);
  return row;
}

function preview(item, row) {
  const image = new Image(48, 36);
  const address = URL.createObjectURL(item.file);
  image.className = "thumb";
  image.alt = "";
  image.addEventListener("load", () => {
    URL.revokeObjectURL(address);
    row.querySelector(".thumb")?.replaceWith(image);
  });
  image.addEventListener("error", () => URL.revokeObjectURL(address));
  image.src = address;
}

function showState(item) {
  item.stale = false;
  const state = item.state === "left" ? "waiting" : item.state;
  const part = at(`state-${state}`).content.cloneNode(true);
  const name = item.file.name;
  const labels = { leave: words.leave_out, pause: words.pause, resume: words.resume };
  for (const button of part.querySelectorAll("button[data-do]")) {
    if (labels[button.dataset.do]) button.setAttribute("aria-label", fill(labels[button.dataset.do], { name }));
  }
  const link = part.querySelector("a");
  if (link) {
    link.href = item.address;
    link.setAttribute("aria-label", fill(state === "done" ? words.look : words.look_there, { name }));
  }
  if (state === "sending") part.querySelector("progress").setAttribute("aria-label", name);
  if (state === "refused") {
    part.querySelector(".why").textContent = item.reason;
    part.querySelector(".name-of").textContent = `: ${name}`;
  }
  item.row.replaceChildren(item.row.querySelector(".who"), part);
  showProgress(item);
}

function showProgress(item) {
  const bar = item.row?.querySelector("progress");
  if (!bar) return;
  const percent = Math.round((item.sent / item.file.size) * 100);
  bar.value = percent;
  item.row.querySelector(".percent").textContent = `${percent} %`;
}

function drawOverall() {
  const counted = items.filter((each) => each.state !== "left" && each.state !== "refused");
  const done = counted.filter((each) => each.finished !== undefined);
  at("overall").hidden = items.length === 0;
  const isOver = done.length === counted.length;
  const values = { done: number.format(done.length), total: number.format(counted.length) };
  at("all").textContent = fill(isOver ? words.finished : words.progress, values);
  at("all").tabIndex = -1;
  const progress = at("all-progress");
  const size = counted.reduce((sum, each) => sum + each.file.size, 0);
  const sent = counted.reduce((sum, each) => sum + (each.finished === undefined ? each.sent : each.file.size), 0);
  progress.max = Math.max(1, size);
  progress.value = sent;
  const seconds = (performance.now() - timing.since) / 1000;
  const rate = sent / Math.max(1, seconds);
  at("figures").textContent = fill(words.figures, { sent: bytes(sent), size: bytes(size), rate: bytes(rate) });
  at("left").textContent =
    isOver ? "" : rate > 0 && seconds > 3 ? fill(words.left, { time: duration((size - sent) / rate) }) : words.keep;
  for (const id of ["pause-all", "cancel-rest"]) at(id).hidden = isOver;
  at("pause-all").querySelector(".pausing").hidden = pausedAll;
  at("pause-all").querySelector(".going-on").hidden = !pausedAll;
  if (isOver) timing.since = 0;
  const tenth = counted.length ? Math.floor((done.length / counted.length) * 10) : 0;
  if (tenth !== saidTenth && items.length) {
    saidTenth = tenth;
    say(at("all").textContent);
  }
}

/** Says aloud what was not taken since the last time: one file with its reason, several by their number. */
function sayRefused(refused) {
  if (refused.length === saidRefused + 1) {
    const { file, reason } = refused.at(-1);
    say(fill(words.refused_one, { name: file.name, reason }));
  } else if (refused.length > saidRefused) {
    say(at("refused").textContent);
  }
  saidRefused = refused.length;
}

/** What is said in one frame is said together, so that no word takes the place of another. */
function say(text) {
  if (saying.length === 0) {
    queueMicrotask(() => {
      at("said").textContent = saying.map((each) => (each.endsWith(".") ? each : `${each}.`)).join(" ");
      saying.length = 0;
    });
  }
  saying.push(text);
}

at("one").hidden = true;
root.hidden = false;
