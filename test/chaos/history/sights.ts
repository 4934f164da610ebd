/** What the harness saw without having asked, and what it read at the end. */
export interface Sights {
  /** The model was asked; `shown` is "role: text" for each message but the system's. */
  readonly asked: { readonly nonce: string; readonly shown: readonly string[] };
  /** Its answer was written whole. */
  readonly answered: { readonly nonce: string };
  readonly posted: {
    readonly deliveryId: string;
    readonly key: string;
    readonly generation: number;
    readonly turnId: string;
    readonly text: string;
  };
  readonly told: Told;
  readonly toldLane: ToldLane;
  readonly fault: {
    readonly kind: string;
    readonly target: string;
    /** `unable`: the target says why this machine cannot make it. */
    readonly state: "begin" | "end" | "unable";
    /** Of an end: what was hit, where that is counted, such as calls; 0: the occasion never came. */
    readonly hits?: number;
  };
  readonly sample: {
    readonly process: string;
    readonly residentBytes: number;
    readonly waitingTurns: number;
  };
  readonly drained: { readonly tookMs: number; readonly waiting: readonly string[] };
  readonly finalSession: FinalSession;
  readonly finalGeneration: {
    readonly tenant: string;
    readonly key: string;
    readonly generation: number;
    readonly sessionId: string;
    readonly reason: string;
  };
  readonly finalJournal: FinalEntry;
  readonly finalTurn: FinalTurn;
  readonly finalMessage: {
    readonly tenant: string;
    readonly key: string;
    readonly sessionId: string;
    readonly generation: number;
    readonly turnId: string;
    readonly role: string;
    readonly text: string;
  };
  readonly finalDelivery: FinalDelivery;
}

export type SightName = keyof Sights;

/** The services that tell what stands. */
export type WatchDoor = "session-identity" | "delivery";

/** One message of a watch. `stream` counts the connections of one follower. */
export interface Told {
  readonly watcher: string;
  readonly door: WatchDoor;
  /** What the keys begin with that were asked for; empty: all. */
  readonly prefix: string;
  readonly stream: number;
  /** `opened`: a stream that begins with a snapshot was asked for. */
  readonly kind: "opened" | "snapshot" | "snapshot_end" | "changed";
  readonly tenant: string;
  readonly key: string;
  readonly generation: number;
  readonly revision: number;
}

/** One message about lanes; they come beside those of sessions, on delivery's streams alone. */
export interface ToldLane {
  readonly watcher: string;
  readonly stream: number;
  /** `opened`: the stream was asked for; each begins with the lanes that have work. */
  readonly kind: "opened" | "snapshot" | "snapshot_end" | "changed";
  readonly tenant: string;
  readonly key: string;
  /** Who holds it, and who waits, in that order; empty: it has no work. */
  readonly turns: readonly string[];
}

export interface FinalSession {
  readonly tenant: string;
  readonly key: string;
  readonly sessionId: string;
  readonly generation: number;
  readonly epoch: number;
  readonly revision: number;
  readonly activeRun: string;
}

/** A line of session-identity's journal. */
export interface FinalEntry {
  readonly entryId: number;
  readonly tenant: string;
  readonly key: string;
  readonly operation: string;
  readonly accepted: boolean;
  readonly reason: string;
  readonly generation: number;
  /** What the caller showed. */
  readonly shownRun: string;
  readonly shownGeneration: number;
  readonly deliveryId: string;
  readonly turnId: string;
}

export interface FinalTurn {
  readonly tenant: string;
  readonly key: string;
  readonly turnId: string;
  readonly state: string;
  readonly laneSeq: number;
  /** "PERSON", "SYSTEM". */
  readonly turnClass: string;
  readonly idempotency: string;
  readonly generation: number;
  readonly reply: string;
  readonly routed: boolean;
  /** What it asked for where the lane was busy, such as "STEER". */
  readonly onConflict: string;
  /** The turn that answered in its place; empty: none. */
  readonly intoTurnId: string;
  readonly runs: readonly { readonly run: string; readonly epoch: number }[];
}

export interface FinalDelivery {
  readonly tenant: string;
  readonly key: string;
  readonly deliveryId: string;
  readonly turnId: string;
  readonly routeId: string;
  readonly routeSeq: number;
  readonly state: string;
  readonly generation: number;
}
