// The words and figures of the page of uploads, from the texts that it carries.

export const root = document.getElementById("many");
export const settings = JSON.parse(root.dataset.settings);
export const { words } = settings;
export const number = new Intl.NumberFormat(document.documentElement.lang);

/** A text with its places filled. */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

/** A size as people write it: `8.4 MB`. */
export function bytes(count) {
  if (count < 1000) return Math.round(count) === 1 ? words.byte : fill(words.bytes, { count: Math.round(count) });
  let [amount, unit] = [count / 1000, "KB"];
  for (const next of ["MB", "GB", "TB"]) {
    if (amount < 999.5) break;
    [amount, unit] = [amount / 1000, next];
  }
  return `${amount < 9.95 ? amount.toFixed(1) : number.format(Math.round(amount))} ${unit}`;
}

/** How long still, in words. */
export function duration(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes === 1) return words.minute;
  return minutes < 120 ? fill(words.minutes, { count: minutes }) : fill(words.hours, { count: Math.round(minutes / 60) });
}
