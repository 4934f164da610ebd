import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import type { WatchLanesResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { hasReason } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import type { FinalSession, Told, ToldLane } from "../history/sights.ts";
import { boundedSignal } from "./bounded-signal.ts";
import { Known } from "./known.ts";
import { type Random, randomFor } from "./random.ts";
import type { Scene } from "./scene.ts";
import { type Watch, type WatchMessage, watchesOf } from "./watches.ts";

/** How long a stream is kept before it is left for another replica. */
const STREAM_MS = { least: 400, more: 3_000 };
/** Of a resumption; otherwise it begins anew, with a snapshot. */
const RESUMES = 0.8;
/** A service that lost its upstream without a word notices by itself, by keepalives. */
const CAUGHT_UP_MS = 45_000;

interface Stream {
  /** Resolves when it was left, or some time after it broke. */
  readonly ended: Promise<void>;
  readonly leave: () => Promise<void>;
}

type Recorder = Pick<Scene["recorder"], "saw">;

/** Follows the sessions of one tenant, from replica to replica, and writes down what it is told. */
export class Follower {
  readonly #recorder: Recorder;
  readonly #watch: Watch;
  readonly #random: Random;
  readonly #known: Known;
  #kept: Stream | undefined;
  #stream = 0;
  #token = "";

  constructor(recorder: Recorder, watch: Watch, random: Random) {
    this.#recorder = recorder;
    this.#watch = watch;
    this.#random = random;
    this.#known = new Known(watch.lanes);
  }

  /** Until the scene is over. Delivery's last stream is kept: it is to tell how what is under way ends. */
  async follow({ over }: Pick<Scene, "over">): Promise<void> {
    while (!over.aborted) {
      const ms = Math.round(STREAM_MS.least + this.#random() * STREAM_MS.more);
      if (this.#random() > RESUMES) this.#token = "";
      using bounded = boundedSignal(ms, over);
      const stream = this.#open();
      await Promise.race([stream.ended, once(bounded.signal, "abort")]);
      if (over.aborted && this.#watch.door === "delivery") this.#kept = stream;
      else await stream.leave();
    }
  }

  /**
   * After healing. Session-identity tells when a stream has told all that was committed. Delivery's are
   * kept until what stands at the end has been told as it came: `stands` resolves to that.
   */
  async catchUp(stands: Promise<readonly FinalSession[]>): Promise<void> {
    if (this.#watch.door === "session-identity") {
      await stands;
      using bounded = boundedSignal(20_000);
      return this.#listen(bounded.signal, true);
    }
    const over = new AbortController();
    const staying = this.#stay(over.signal);
    try {
      const wanted = (await stands).filter((session) => this.#isWanted(session));
      const options = { timeoutMs: CAUGHT_UP_MS, what: `${this.#watch.name} knows what stands` };
      // What it does not know the judges say.
      await eventually(() => this.#known.isAll(wanted), options).catch(() => undefined);
    } finally {
      over.abort();
      await staying;
    }
  }

  /** At one replica until that breaks, then at another. */
  async #stay(over: AbortSignal): Promise<void> {
    const isOver = once(over, "abort");
    for (let stream = this.#kept ?? this.#open(); ; stream = this.#open()) {
      await Promise.race([stream.ended, isOver]);
      if (over.aborted) return stream.leave();
    }
  }

  /** Listens at one replica until it is left or breaks; the next stream goes on from the last token. */
  #open(): Stream {
    const leaving = new AbortController();
    const ended = this.#listen(leaving.signal, false).catch(async (error: unknown) => {
      // All others, SLOW_CONSUMER too, leave the token good.
      if (hasReason(error, "RESUME_TOKEN_EXPIRED")) this.#token = "";
      await sleep(100);
    });
    const leave = () => {
      leaving.abort(new Error("left"));
      return ended;
    };
    return { ended, leave };
  }

  #isWanted({ tenant, key }: FinalSession): boolean {
    return tenant === this.#watch.tenant && key.startsWith(this.#watch.prefix);
  }

  async #listen(signal: AbortSignal, stopWhenTold: boolean): Promise<void> {
    this.#stream += 1;
    if (this.#token === "") this.#saw("opened", undefined);
    if (this.#watch.lanes) this.#sawLane("opened");
    const told = this.#watch.open(this.#random, this.#token, { signal, stopWhenTold });
    for await (const message of told) this.#read(message);
  }

  /** Without a token nothing can be resumed: what a cut snapshot has told is told again. */
  #read({ event: session, lane }: WatchMessage): void {
    if (lane !== undefined) this.#readLane(lane);
    if (session === undefined) return;
    const { event, resumeToken } = session;
    if (event.case === "snapshot" || event.case === "changed") this.#saw(event.case, event.value);
    if (event.case === "snapshotEnd") this.#saw("snapshot_end", undefined);
    if (resumeToken !== "") this.#token = resumeToken;
  }

  #saw(
    kind: Told["kind"],
    session: Extract<WatchSessionsResponse["event"], { case: "snapshot" }>["value"] | undefined,
  ): void {
    const { sessionKey: key = "", generation = 0n } = session?.ref ?? {};
    const { name: watcher, door, tenant, prefix } = this.#watch;
    const told: Told = {
      ...{ watcher, door, prefix, stream: this.#stream, kind, tenant, key },
      generation: Number(generation),
      revision: Number(session?.revision ?? 0n),
    };
    this.#known.told(told);
    this.#recorder.saw("told", told);
  }

  #readLane({ event }: WatchLanesResponse): void {
    if (event.case === "snapshotEnd") this.#sawLane("snapshot_end");
    if (event.case === "snapshot" || event.case === "changed") {
      const { sessionKey, holder, waiting } = event.value;
      const held = holder === undefined ? [] : [holder.turnId];
      this.#sawLane(event.case, sessionKey, [...held, ...waiting.map(({ turnId }) => turnId)]);
    }
  }

  #sawLane(kind: ToldLane["kind"], key = "", turns: readonly string[] = []): void {
    const { name: watcher, tenant } = this.#watch;
    const told: ToldLane = { watcher, stream: this.#stream, kind, tenant, key, turns };
    this.#known.toldLane(told);
    this.#recorder.saw("toldLane", told);
  }
}

export function followersOf(scene: Scene): readonly Follower[] {
  return watchesOf(scene.doors).map(
    (watch) => new Follower(scene.recorder, watch, randomFor(scene.seed, watch.name)),
  );
}

/** Each follower is told what stands once `read` has read it: those that stay are there meanwhile. */
export async function catchUp(
  followers: readonly Follower[],
  read: () => Promise<readonly FinalSession[]>,
): Promise<void> {
  const stands = read();
  await Promise.all(followers.map((follower) => follower.catchUp(stands)));
}
