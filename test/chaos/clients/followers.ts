import type { IdentityClient } from "@lanekeeper/client";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { hasReason } from "@lanekeeper/rpc";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { setTimeout as sleep } from "node:timers/promises";
import { TENANTS } from "../world/tenants.ts";
import { boundedSignal } from "./bounded-signal.ts";
import { pick, type Random, randomFor } from "./random.ts";
import { type Scene, untilOver } from "./scene.ts";

/** How long a stream is kept before it is left for another replica. */
const STREAM_MS = { least: 400, more: 3_000 };
/** Of a resumption; otherwise it begins anew, with a snapshot. */
const RESUMES = 0.8;

/** Follows the sessions of one tenant, from replica to replica. */
export class Follower {
  readonly #scene: Scene;
  readonly #tenant: string;
  readonly #watcher: string;
  readonly #random: Random;
  #stream = 0;
  #token = "";

  constructor(scene: Scene, tenant: string) {
    this.#scene = scene;
    this.#tenant = tenant;
    this.#watcher = `watcher of ${tenant}`;
    this.#random = randomFor(scene.seed, this.#watcher);
  }

  async follow(): Promise<void> {
    await untilOver(this.#scene, async () => {
      const ms = Math.round(STREAM_MS.least + this.#random() * STREAM_MS.more);
      using bounded = boundedSignal(ms, this.#scene.over);
      if (this.#random() > RESUMES) this.#token = "";
      await this.#listen(bounded.signal, false).catch(async (error: unknown) => {
        if (hasReason(error, "RESUME_TOKEN_EXPIRED")) this.#token = "";
        await sleep(100);
      });
    });
  }

  /** After healing: until all that was committed has been told. */
  async catchUp(): Promise<void> {
    using bounded = boundedSignal(20_000);
    await this.#listen(bounded.signal, true);
  }

  async #listen(signal: AbortSignal, stopWhenTold: boolean): Promise<void> {
    const door: IdentityClient = pick(this.#random, this.#scene.doors.identity);
    this.#stream += 1;
    if (this.#token === "") this.#saw("opened", undefined);
    const request = {
      resumeToken: this.#token,
      stopWhenTold,
      bookmarkInterval: durationFromMs(200),
    };
    for await (const message of door.watchSessions(request, { tenant: this.#tenant, signal })) {
      this.#read(message);
    }
  }

  /** Without a token nothing can be resumed: what a cut snapshot has told is told again. */
  #read({ event, resumeToken }: WatchSessionsResponse): void {
    if (event.case === "snapshot" || event.case === "changed") this.#saw(event.case, event.value);
    if (event.case === "snapshotEnd") this.#saw("snapshot_end", undefined);
    if (resumeToken !== "") this.#token = resumeToken;
  }

  #saw(
    kind: "opened" | "snapshot" | "snapshot_end" | "changed",
    session: Extract<WatchSessionsResponse["event"], { case: "snapshot" }>["value"] | undefined,
  ): void {
    const { sessionKey: key = "", generation = 0n } = session?.ref ?? {};
    this.#scene.recorder.saw("told", {
      ...{ watcher: this.#watcher, stream: this.#stream, kind, tenant: this.#tenant, key },
      generation: Number(generation),
      revision: Number(session?.revision ?? 0n),
    });
  }
}

export function followersOf(scene: Scene): readonly Follower[] {
  return TENANTS.map((tenant) => new Follower(scene, tenant));
}
