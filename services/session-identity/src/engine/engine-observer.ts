import type { Command } from "./command.ts";
import type { Told } from "../store/batch/write-batch.ts";

/** What the engine tells of its work. */
export interface EngineObserver {
  /** After each batch. */
  batch?(size: number, durationMs: number): void;
  /** Commands that were decided by memory: how many stand, how many were decided anew. */
  byMemory?(written: number, outdated: number): void;
  /** The key's row is older than what was committed there: the server that was started then has lost it. */
  wentBack?(command: Command, postmasterStartMs: number): void;
  /** A commit that watchers have to hear of. */
  changed?(what: Exclude<Told, "nothing">): void;
}
