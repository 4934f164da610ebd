/** Who stands under a key, as an answer tells it. */
export interface Standing {
  readonly key: string;
  readonly sessionId: string;
  readonly generation: number;
  readonly epoch: number;
}

/** What a run shows. */
export interface ShownFence {
  readonly tenant: string;
  readonly key: string;
  readonly sessionId: string;
  readonly generation: number;
  readonly run: string;
  readonly epoch: number;
}

/** A turn as whoever asked for it was told. */
export interface ToldTurn {
  readonly turnId: string;
  readonly key: string;
  readonly sessionId: string;
  readonly generation: number;
  /** Such as "COMPLETED"; empty where only the acceptance was told. */
  readonly state: string;
  readonly reply: string;
}

/** What somebody in a hurry asks for. */
export type ConflictWord = "INTERRUPT" | "ROLLBACK" | "COALESCE" | "STEER";

/** Every call that the harness makes, with what it asks and what it is answered. */
export interface Calls {
  readonly resolve: {
    readonly ask: { readonly tenant: string; readonly name: string };
    readonly answer: Standing;
  };
  readonly normalize: {
    /** Names with one `alike` mean one key, others another. */
    readonly ask: { readonly tenant: string; readonly name: string; readonly alike: string };
    readonly answer: { readonly key: string; readonly again: string };
  };
  readonly rotate: {
    readonly ask: {
      readonly tenant: string;
      readonly key: string;
      readonly request: string;
      /** 0: whichever it is. */
      readonly expected: number;
    };
    readonly answer: {
      readonly previous: number;
      readonly generation: number;
      readonly sessionId: string;
      readonly endedRun: string;
    };
  };
  readonly begin: {
    readonly ask: {
      readonly tenant: string;
      readonly key: string;
      readonly run: string;
      readonly turn: string;
      readonly admitted: number;
      readonly leaseMs: number;
    };
    readonly answer: {
      readonly generation: number;
      readonly sessionId: string;
      readonly epoch: number;
      /** The run whose lease had expired; empty: none. */
      readonly takenOver: string;
    };
  };
  readonly write: {
    readonly ask: ShownFence & {
      /** 0 for an ending. */
      readonly seq: number;
      readonly event: "started" | "progress" | "ended";
      /** A model, a phase, or an outcome: what makes two events differ. */
      readonly says: string;
    };
    readonly answer: { readonly applied: boolean };
  };
  readonly turn: {
    readonly ask: {
      readonly tenant: string;
      readonly name: string;
      /** What is said; unique in the run. */
      readonly text: string;
      readonly idempotency: string;
      /** Waits for the end, or for the acceptance alone. */
      readonly attached: boolean;
      /** Whether its reply goes to the sink. */
      readonly routed: boolean;
      /** What its model is to do: answer, or send to a session that sends back. */
      readonly nested: boolean;
      /** What is to happen where the lane is busy; unset: it waits. */
      readonly onConflict?: ConflictWord;
    };
    readonly answer: ToldTurn;
  };
  /** A watch that goes on behind a token. */
  readonly resume: {
    readonly ask: { readonly tenant: string; readonly watcher: string };
    readonly answer: { readonly kind: string };
  };
  /** A read of what belongs to somebody else. */
  readonly peek: {
    readonly ask: { readonly tenant: string; readonly owner: string; readonly sessionId: string };
    readonly answer: { readonly key: string };
  };
}

export type CallName = keyof Calls;

/** A definite refusal. */
export interface Refused {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** What STALE tells to be current. */
  readonly current?: { readonly generation: number; readonly run: string; readonly epoch: number };
}
