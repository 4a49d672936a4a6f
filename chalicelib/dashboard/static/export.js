// Loads all parts of an account's export into one file; without this script the link loads the first part.

import { toast } from "./frame.js";

const TRIES = 5; // of each part
const WAIT_SECONDS = 2; // where the answer names no time
const WAIT_SECONDS_MAX = 60;

/** The lines of a part; what passes, as a limit of requests does, is tried again. */
async function linesOf(path) {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(path, { headers: { accept: "application/x-ndjson" } });
    if (answer.ok && !answer.redirected) return (await answer.text()).split("\n").filter(Boolean);
    if (![429, 503].includes(answer.status) || tries === TRIES) throw new Error(String(answer.status));
    const seconds = Number(answer.headers.get("retry-after")) || WAIT_SECONDS;
    await new Promise((resume) => setTimeout(resume, 1000 * Math.min(seconds, WAIT_SECONDS_MAX)));
  }
}

async function load(link) {
  const label = link.querySelector("span");
  const shown = label.textContent;
  const parts = [];
  let records = 0;
  let path = new URL(link.href);
  link.setAttribute("aria-busy", "true");
  try {
    while (path) {
      const lines = await linesOf(path);
      const last = lines.length ? JSON.parse(lines.at(-1)) : {};
      path = last.kind === "next" ? new URL(link.href.split("?")[0] + last.path.slice(last.path.indexOf("?"))) : null;
      if (path) lines.pop();
      records += lines.length;
      label.textContent = link.dataset.export.replace("{count}", records.toLocaleString());
      parts.push(lines.map((line) => line + "\n").join(""));
    }
    const file = URL.createObjectURL(new Blob(parts, { type: "application/x-ndjson" }));
    const save = document.createElement("a");
    save.href = file;
    save.download = "similarix-account.jsonl";
    save.click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
  } catch {
    toast(link.dataset.failed);
  } finally {
    link.removeAttribute("aria-busy");
    label.textContent = shown;
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-export]");
  if (!link || link.hasAttribute("aria-busy")) return;
  event.preventDefault();
  load(link);
});
