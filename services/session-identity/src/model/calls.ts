import type { Reason } from "@lanekeeper/rpc";

/** What a run shows, in the model's words: ids of sessions follow from key and generation. */
export interface ShownRun {
  readonly key: string;
  readonly generation: number;
  readonly run: string;
  readonly epoch: number;
}

/** What a reply shows. */
export interface ShownReply {
  readonly key: string;
  readonly generation: number;
  readonly turn: string;
  readonly delivery: string;
}

export type Settled = "sent" | "failed" | "unknown" | "suppressed_stale";

/** What one tenant's callers may ask. `reserve` is the first half of a first `resolve`. */
export type Call =
  | { readonly do: "reserve"; readonly key: string }
  | { readonly do: "resolve"; readonly key: string }
  | BeginCall
  | RunCall
  | RotateCall
  | ReplyCall
  | { readonly do: "check_run"; readonly shown: ShownRun }
  | { readonly do: "check_reply"; readonly shown: ShownReply };

export interface BeginCall {
  readonly do: "begin";
  readonly key: string;
  readonly run: string;
  readonly turn: string;
  /** The generation at which the turn was admitted. */
  readonly admitted: number;
  readonly person: boolean;
  /** The generation that the turn insists on. */
  readonly required: number | undefined;
}

export interface RunCall {
  readonly do: "started" | "progress" | "ended";
  readonly shown: ShownRun;
  /** 0 for an ending, of which there is one. */
  readonly seq: number;
  /** A model, a phase, or an outcome: what makes two events differ. */
  readonly says: string;
}

export interface RotateCall {
  readonly do: "rotate";
  readonly key: string;
  readonly request: string;
  readonly reason: "reset" | "compaction" | "migration";
  readonly when: "always" | { readonly generation: number } | { readonly owner: ShownRun };
  readonly skip: boolean;
  readonly suppress: boolean;
}

export type ReplyCall =
  | { readonly do: "sending"; readonly shown: ShownReply; readonly seq: number }
  | {
      readonly do: "settled";
      readonly shown: ShownReply;
      readonly seq: number;
      readonly state: Settled;
    };

/** A plain value that an answer tells; compared one by one. */
export type Told = Readonly<Record<string, string | number | boolean>>;

/** What the contract says that the call is answered. */
export interface Answer {
  /** The reasons that apply, of which one is told; none: the call is granted. */
  readonly refused: readonly Reason[];
  /** What grant or refusal tells, as far as the contract says it. */
  readonly tells: Told;
  /** Whether anything but the journal changes. */
  readonly writes: boolean;
  /** Names the record that the answer comes from: equal names have equal answers, whole. */
  readonly record?: string;
}

export function refusal(reasons: Reason | readonly Reason[], tells: Told = {}): Answer {
  const refused = typeof reasons === "string" ? [reasons] : reasons;
  return { refused, tells, writes: false };
}

/** An answer that changes something. */
export function grant(tells: Told, record?: string): Answer {
  return { refused: [], tells, writes: true, ...(record === undefined ? {} : { record }) };
}

/** An answer that changes nothing: a read, or a repeat. */
export function read(tells: Told, record?: string): Answer {
  return { ...grant(tells, record), writes: false };
}
