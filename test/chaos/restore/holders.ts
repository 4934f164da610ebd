import { randomUUID } from "node:crypto";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { IdentityClient } from "@lanekeeper/client";
import { systemIds } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import { boundedSignal } from "../clients/bounded-signal.ts";
import { IdentityCalls } from "../clients/identity-calls.ts";
import type { Scene } from "../clients/scene.ts";
import type { Calls, ShownFence } from "../history/calls.ts";
import { AGENT, TENANTS } from "../world/tenants.ts";

/** Longer than everything that comes between: what is refused is not refused for its age. */
const LEASE_MS = 120_000;
const RESUMED_MS = 5_000;
const KNOWN_MS = 30_000;

/** Somebody who got a right before a restore, keeps it, and shows it afterwards. */
export class Holder {
  readonly #scene: Scene;
  readonly #calls: IdentityCalls;
  readonly #name: string;
  readonly #tenant = TENANTS[0];
  #fence: ShownFence | undefined;
  #begin: Calls["begin"]["ask"] | undefined;
  #token = "";

  constructor(scene: Scene, name: string) {
    this.#scene = scene;
    this.#name = name;
    this.#calls = new IdentityCalls(scene.recorder, `holder ${name}`);
  }

  /** Makes its key known, and has nothing yet. */
  meet() {
    const ask = { tenant: this.#tenant, name: this.#key };
    return known(() => this.#calls.resolve(this.#door, ask));
  }

  /** Begins a run under a key of its own, and a watch. */
  async take(): Promise<void> {
    const tenant = this.#tenant;
    const found = await this.meet();
    const run = systemIds.uuid();
    const asked = { tenant, key: this.#key, run, turn: randomUUID(), leaseMs: LEASE_MS };
    const ask = { ...asked, admitted: found.generation };
    this.#begin = ask;
    const begun = await known(() => this.#calls.begin(this.#door, ask));
    const { generation, sessionId, epoch } = begun;
    this.#fence = { tenant, key: this.#key, run, generation, sessionId, epoch };
    this.#token = await this.#firstToken();
  }

  /** Shows all that it has: its run id, as a run, as an owner of what it saw, as a watcher. */
  async show(): Promise<void> {
    const [fence, begin] = [this.#fence, this.#begin];
    if (fence === undefined || begin === undefined) throw new Error(`${this.#name} took nothing`);
    // First: while no other run holds the key nothing but its age speaks against it.
    await this.#calls.begin(this.#door, begin);
    const { tenant, key, generation: expected } = fence;
    await this.#calls.write(this.#door, { ...fence, seq: 7, event: "progress", says: "on" });
    await this.#calls.write(this.#door, { ...fence, seq: 0, event: "ended", says: "completed" });
    await this.#calls.rotate(this.#door, { tenant, key, request: randomUUID(), expected });
    await this.#resume();
    await this.#calls.resolve(this.#door, { tenant, name: key });
  }

  /** Under a key that others know, a rotation that a restore forgets. */
  async rotate(): Promise<void> {
    const ask = { tenant: this.#tenant, key: this.#key, request: randomUUID(), expected: 0 };
    await known(() => this.#calls.rotate(this.#door, ask));
    await this.#calls.resolve(this.#door, { tenant: this.#tenant, name: this.#key });
  }

  get #key(): string {
    return `agent:${AGENT}:held:${this.#name}`;
  }

  get #door(): IdentityClient {
    const [door] = this.#scene.doors.identity;
    if (door === undefined) throw new Error("no door");
    return door;
  }

  async #firstToken(): Promise<string> {
    using bounded = boundedSignal(RESUMED_MS);
    const { tenant } = { tenant: this.#tenant };
    const request = { skipSnapshot: true, sessionKeyPrefix: this.#key };
    const options = { tenant, signal: bounded.signal };
    for await (const { resumeToken } of this.#door.watchSessions(request, options)) {
      if (resumeToken !== "") return resumeToken;
    }
    throw new Error("a watch without a token");
  }

  async #resume(): Promise<void> {
    const tenant = this.#tenant;
    const ask = { tenant, watcher: this.#name };
    await this.#scene.recorder.call("resume", `holder ${this.#name}`, ask, async () => {
      using bounded = boundedSignal(RESUMED_MS);
      const request = {
        resumeToken: this.#token,
        sessionKeyPrefix: this.#key,
        bookmarkInterval: durationFromMs(200),
      };
      const options = { tenant, signal: bounded.signal };
      for await (const { event } of this.#door.watchSessions(request, options)) {
        return { kind: event.case ?? "" };
      }
      throw new Error("the watch ended");
    });
  }
}

/** Asks again, with the same id, until the answer is known: clients are many, and the machine is busy. */
function known<T>(ask: () => Promise<T | undefined>): Promise<T> {
  return eventually(ask, { timeoutMs: KNOWN_MS, what: "a call is answered" }) as Promise<T>;
}
