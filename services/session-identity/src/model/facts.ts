import type { Settled } from "./calls.ts";

/** One canonical key with a session. */
export interface KeyFacts {
  generation: number;
  /** Of the last run that took the key. */
  epoch: number;
  /** The run that holds it; empty: none. */
  holder: string;
  oldestRunnable: number;
  oldestDeliverable: number;
  rotatedMs: number;
  /** When a person last spoke or was last answered; 0: never. */
  personMs: number;
  /** Whether this generation has a history. */
  used: boolean;
}

/** A run that ever began, and what became of it. */
export interface RunFacts {
  key: string;
  turn: string;
  person: boolean;
  epoch: number;
  /** The lowest generation that it has held. */
  begun: number;
  leaseEndMs: number;
  lastSeq: number;
  fate: "holds" | "ended" | "taken_over" | "rotated";
  /** For `rotated`: the generation that ended its right. */
  rotatedInto: number;
  /** For `ended`. */
  outcome: string;
  /** What it wrote, by event_seq. */
  written: Map<number, string>;
}

export interface ReplyFacts {
  key: string;
  generation: number;
  turn: string;
  state: "sending" | Settled;
  /** Whether a send was ever claimed. */
  claimed: boolean;
  written: Map<number, string>;
}

/** Everything that the contract knows of one tenant. Names are keys of the maps. */
export interface Facts {
  nowMs: number;
  keys: Map<string, KeyFacts>;
  runs: Map<string, RunFacts>;
  replies: Map<string, ReplyFacts>;
  /** Accepted requests by id, with their content and what they were told. */
  requests: Map<string, { content: string; tells: Record<string, string | number | boolean> }>;
}

/** What the driver gives every run, and how the agent's sessions go idle. */
export const LEASE_MS = 300_000;
export const IDLE_MS = 3_600_000;

export function noFacts(): Facts {
  return {
    nowMs: 0,
    keys: new Map(),
    runs: new Map(),
    replies: new Map(),
    requests: new Map(),
  };
}
