import { randomUUID } from "node:crypto";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import type { IdentityClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { type Fence, RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { sessionKey } from "../names.ts";

const LEASE_MS = 15_000;

/**
 * Turn after turn under some keys, one write at a time: begin, started, ended. All three are decided
 * under the key's lock, durable, and in the journal.
 */
export class TurnWriter {
  readonly #client: IdentityClient;
  readonly #keys: readonly number[];
  #turns = 0;
  #step: (() => Promise<void>) | undefined;

  constructor(client: IdentityClient, keys: readonly number[]) {
    this.#client = client;
    this.#keys = keys;
  }

  /** Makes the next write. */
  write(): Promise<void> {
    const step = this.#step ?? (() => this.#begin());
    return step();
  }

  /** Leaves no run behind. */
  async finish(): Promise<void> {
    while (this.#step !== undefined) await this.write();
  }

  async #begin(): Promise<void> {
    const index = this.#keys[this.#turns % this.#keys.length] ?? 0;
    this.#turns += 1;
    const fence = await beginRun(this.#client, index);
    this.#step = () => this.#started(fence);
  }

  async #started(run: Fence): Promise<void> {
    await this.#client.writeLifecycle({
      writer: { case: "run", value: run },
      eventSeq: 1n,
      event: { case: "started", value: { model: "scripted" } },
    });
    this.#step = () => this.#ended(run);
  }

  async #ended(run: Fence): Promise<void> {
    const ending = { outcome: RunOutcome.COMPLETED, inputTokens: 900n, outputTokens: 120n };
    await this.#client.writeLifecycle({
      writer: { case: "run", value: run },
      event: { case: "ended", value: ending },
    });
    this.#step = undefined;
  }
}

/** Takes a key for a person's turn. */
export async function beginRun(client: IdentityClient, index: number): Promise<Fence> {
  const { fence } = await client.beginRun({
    sessionKey: sessionKey(index),
    admittedGeneration: 1n,
    turnId: randomUUID(),
    runId: randomUUID(),
    leaseDuration: durationFromMs(LEASE_MS),
    acceptTime: timestampNow(),
    turnClass: TurnClass.PERSON,
  });
  if (fence === undefined) throw new Error("a grant has a fence");
  return fence;
}
