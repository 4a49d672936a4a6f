// Runs the calls of a client, and prints a line for each.

import { readFileSync } from "node:fs";

export const API = process.env.API!;
export const TOKEN = process.env.TOKEN!;
export const COLLECTION = process.env.COLLECTION!;
export const SIZE = readFileSync(process.env.PICTURE!).length;

export const picture = (name: string): File =>
  new File([readFileSync(process.env.PICTURE!)], name, { type: "image/jpeg" });

export const pause = (): Promise<void> => new Promise((resume) => setTimeout(resume, 200));

export function check(condition: unknown, what: unknown): asserts condition {
  if (!condition) throw new Error(`unexpected: ${JSON.stringify(what)}`);
}

/** Sends the form of an upload in two steps to S3. */
export async function send(form: { url: string; fields: Record<string, string> }, name: string): Promise<void> {
  const body = new FormData();
  for (const [field, value] of Object.entries(form.fields)) body.append(field, value);
  body.append("file", picture(name));
  const sent = await fetch(form.url, { method: "POST", body });
  check(sent.ok, await sent.text());
}

export async function run(calls: Record<string, () => Promise<void>>): Promise<void> {
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call();
      console.log(`${name}: ok`);
    } catch (error) {
      console.log(`${name}: ${String(error).replaceAll("\n", " ")}`);
    }
  }
}
