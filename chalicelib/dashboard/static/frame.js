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
    const clock = moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
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

document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
// A page in the background asks for nothing. Once it is seen again, its next look comes within seconds.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.getAttribute("hx-trigger")?.startsWith("every")) event.preventDefault();
});
document.addEventListener("htmx:sendError", () => toast(document.body.dataset.lost));
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id === "toasts") for (const element of event.detail.target.children) letGo(element);
});

localise(document);
for (const element of document.querySelectorAll("#toasts .toast")) letGo(element);

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
