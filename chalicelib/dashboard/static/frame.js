// What every page has: times in the reader's zone, copying, toasts, and the countdown of an error that passes.

const TOAST_MILLISECONDS = 6000;

/** Writes each time of a server in UTC as the reader's own clock and calendar have it. */
export function localise(root) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    element.title = moment.toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" });
    if (!element.textContent.includes("UTC")) continue;
    const clock = moment.toLocaleTimeString(undefined, { timeStyle: "short" });
    const days = Math.round((startOf(moment) - startOf(now)) / 86_400_000);
    if (Math.abs(days) <= 1) {
      const word = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" }).format(days, "day");
      element.textContent = `${word[0].toUpperCase()}${word.slice(1)}, ${clock}`;
    } else {
      element.textContent = moment.toLocaleDateString(document.documentElement.lang, { day: "numeric", month: "long" });
    }
  }
}

function startOf(moment) {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
}

/** Shows what was just done, for six seconds, longer while the reader is on it. */
export function toast(text) {
  const toasts = document.getElementById("toasts");
  // A page that asks every second says once that nothing answers.
  if ([...toasts.children].some((each) => each.textContent === text)) return;
  const element = document.createElement("div");
  element.className = "toast";
  element.textContent = text;
  toasts.append(element);
  letGo(element);
}

function letGo(element) {
  const dismiss = document.getElementById("dismiss").content.firstElementChild.cloneNode(true);
  dismiss.addEventListener("click", () => {
    element.remove();
    document.getElementById("main").focus({ preventScroll: true }); // focus does not begin anew at the top
  });
  element.append(dismiss);
  const remove = () => {
    if (element.matches(":hover, :focus-within")) setTimeout(remove, 1000);
    else element.remove();
  };
  setTimeout(remove, TOAST_MILLISECONDS);
}

/** Copies what a button names in data-copy, or else the field or code beside it, in full. */
async function copy(button) {
  const beside = button.parentElement.querySelector("input, textarea, code, bdi");
  const text = button.dataset.copy || beside?.value || beside?.textContent || "";
  try {
    await navigator.clipboard.writeText(text);
    toast(document.body.dataset.copied);
  } catch {
    toast(document.body.dataset.notCopied);
    if (beside?.select) beside.select();
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) copy(button);
  for (const open of document.querySelectorAll("details.pop[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.pop[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// A menu closes when what was chosen in it has been done, and does not stand over it.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const menu = detail.elt.closest?.("details.menu[open]");
  if (!menu || !detail.successful) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
// A page in the background asks for nothing. Once it is seen again, its next look comes within seconds.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.getAttribute("hx-trigger")?.startsWith("every")) event.preventDefault();
});
document.addEventListener("htmx:sendError", () => toast(document.body.dataset.lost));
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id === "toasts") letGo(event.detail.target.lastElementChild);
});

localise(document);
const tab = document.querySelector(".tabs [aria-current]"); // beyond the edge of a narrow window, perhaps
if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft;
for (const element of document.querySelectorAll("#toasts .toast")) {
  element.parentElement.append(element); // a screen reader says what comes to a live region, not what came with it
  letGo(element);
}

// A page that has just come is not offline, whatever a browser says that knows no network but this machine's own.
let offline = false;
export const isOffline = () => offline;
for (const type of ["offline", "online"]) {
  addEventListener(type, () => {
    offline = type === "offline";
    document.getElementById("offline").hidden = !offline;
  });
}

// Focus. A form that comes back begins at what is wrong with it. What a swap takes from under the reader leads on to
// what came instead, because a browser would begin at the top of the page.
const WRONG = '[aria-invalid="true"], fieldset:has(> .wrong) input';
document.querySelector(WRONG)?.focus();

let taken = null; // the region whose swap takes the focus away
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  taken = detail.shouldSwap && detail.target.contains(document.activeElement) ? detail.target : null;
});
document.addEventListener("htmx:afterSettle", () => {
  const region = taken && (taken.isConnected ? taken : document.getElementById(taken.id));
  taken = null;
  // After the other modules' handlers, which may know a better place. An element with an id keeps the focus by itself.
  if (region) queueMicrotask(() => lead(region));
});

function lead(region) {
  const wrong = region.querySelector(WRONG);
  if (!wrong && document.activeElement !== document.body) return;
  const heading = region.querySelector("h1, h2, h3") ?? document.querySelector("main h1");
  const place = wrong ?? heading;
  if (place === heading) heading?.setAttribute("tabindex", "-1");
  place?.focus({ preventScroll: true });
  place?.scrollIntoView({ block: "nearest" });
}

const failed = document.querySelector("[data-retry]");
if (failed) {
  let left = Number(failed.dataset.retry);
  setInterval(() => {
    left -= 1;
    if (left === 0) location.reload();
    if (left >= 0) document.getElementById("again").textContent = String(left);
  }, 1000);
}

// API Gateway answers for programs where the application does not answer: what was there stays.
function isForeign(xhr) {
  if (xhr.status < 400) return false;
  const isPage = xhr.getResponseHeader("Content-Type")?.startsWith("text/html");
  return !isPage || (xhr.status >= 500 && !xhr.getResponseHeader("HX-Reswap"));
}

// A region that is asked again shows only what is wrong now.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (isForeign(event.detail.xhr)) {
    event.detail.shouldSwap = false;
    toast(document.body.dataset.noAnswer);
    return;
  }
  for (const banner of event.detail.target.querySelectorAll(":scope > .banner[role=alert]")) banner.remove();
});
