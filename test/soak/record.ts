import { readFile, writeFile } from "node:fs/promises";
import type { Outcome } from "./load/callers.ts";
import type { Series } from "./samples/samples.ts";

/** What a run left, to be judged, and judged again. */
export interface SoakRecord {
  readonly seconds: number;
  readonly series: readonly Series[];
  /** Things that happened, for the picture. */
  readonly marks: readonly { readonly atSeconds: number; readonly what: string }[];
  readonly outcome: Outcome;
  /** Generations of the agent's sessions, by what made them. */
  readonly rotations: Readonly<Record<string, number>>;
  /** Replies that did not arrive, once all was over. */
  readonly undelivered: number;
}

export async function writeRecord(path: string, record: SoakRecord): Promise<void> {
  await writeFile(path, JSON.stringify(record));
}

export async function readRecord(path: string): Promise<SoakRecord> {
  return JSON.parse(await readFile(path, "utf8")) as SoakRecord;
}
