import type { RawEvent } from "./adapter.ts";

/** A header of a post; empty where it is missing. Of repeats Node keeps one or joins them all. */
export function headerOf({ headers }: Pick<RawEvent, "headers">, name: string): string {
  const value = headers[name];
  return typeof value === "string" ? value : "";
}
