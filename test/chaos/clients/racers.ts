import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { IdentityClient } from "@lanekeeper/client";
import { systemIds } from "@lanekeeper/service";
import { TENANTS } from "../world/tenants.ts";
import { IdentityCalls } from "./identity-calls.ts";
import { pick, type Random, randomFor } from "./random.ts";
import { type Scene, untilOver } from "./scene.ts";

/** How many race for one key, how long a key is raced for, and how many are at once. */
const RACERS = 4;
const CALLS_OF_A_RACER = 28;
const KEYS_AT_ONCE = 3;
/** Each call that may have been made doubles the orders in which a key's calls may be put. */
const MOST_UNKNOWN = 10;
/** The least that session-identity takes. */
const LEASE_MS = 1_000;
/** A caller that is slower than this has lost its lease. */
const LONG_PAUSE_MS = 1_150;

/** What the racers for one key know together. */
interface Track {
  readonly tenant: string;
  readonly name: string;
  key: string;
  generation: number;
  /** Rotations asked for; some are asked for again. */
  readonly requests: { readonly request: string; readonly expected: number }[];
}

/** Clients of session-identity who race for keys that nobody else touches. */
export async function race(scene: Scene): Promise<void> {
  const tracks = Array.from({ length: KEYS_AT_ONCE }, (_, index) => raceFor(scene, index));
  await Promise.all(tracks);
}

async function raceFor(scene: Scene, index: number): Promise<void> {
  const random = randomFor(scene.seed, `track ${index}`);
  let round = 0;
  await untilOver(scene, async () => {
    const name = `raced:${index}:${(round += 1)}`;
    const track: Track = {
      ...{ tenant: pick(random, TENANTS), name, key: "", generation: 1, requests: [] },
    };
    const racers = Array.from({ length: RACERS }, (__, n) => new Racer(scene, track, n));
    await Promise.all(racers.map((racer) => racer.run()));
  });
}

function nameOf({ name }: Track, number: number): string {
  return `${name} racer ${number}`;
}

class Racer {
  readonly #scene: Scene;
  readonly #track: Track;
  readonly #random: Random;
  readonly #calls: IdentityCalls;

  constructor(scene: Scene, track: Track, number: number) {
    const name = nameOf(track, number);
    this.#scene = scene;
    this.#track = track;
    this.#random = randomFor(scene.seed, name);
    this.#calls = new IdentityCalls(scene.recorder, name);
  }

  async run(): Promise<void> {
    await this.#resolve();
    for (let made = 0; made < CALLS_OF_A_RACER && !this.#isOver; made += 1) {
      if (this.#track.key === "") await this.#resolve();
      else await this.#act();
      await sleep(this.#random() * 30);
    }
  }

  get #isOver(): boolean {
    const { over, recorder } = this.#scene;
    const names = Array.from({ length: RACERS }, (_, n) => nameOf(this.#track, n));
    const unknown = names.reduce((sum, name) => sum + recorder.unknownOf(name), 0);
    return over.aborted || unknown >= MOST_UNKNOWN;
  }

  get #door(): IdentityClient {
    return pick(this.#random, this.#scene.doors.identity);
  }

  async #act(): Promise<void> {
    const luck = this.#random();
    if (luck < 0.2) await this.#resolve();
    else if (luck < 0.4) await this.#rotate();
    else await this.#runOnce();
  }

  async #resolve(): Promise<void> {
    const { tenant, name } = this.#track;
    const found = await this.#calls.resolve(this.#door, { tenant, name });
    if (found === undefined) return;
    this.#track.key = found.key;
    this.#track.generation = Math.max(this.#track.generation, found.generation);
  }

  async #rotate(): Promise<void> {
    const { tenant, key, generation, requests } = this.#track;
    const known = requests.at(-1);
    const isRepeat = known !== undefined && this.#random() < 0.3;
    const expected = this.#random() < 0.4 ? generation : 0;
    const asked = isRepeat ? known : { request: randomUUID(), expected };
    if (!isRepeat) requests.push(asked);
    await this.#calls.rotate(this.#door, { tenant, key, ...asked });
    // Whatever replica is asked next has to know.
    await this.#resolve();
  }

  /** A whole run, which sometimes sleeps past its lease and goes on as if it had not. */
  async #runOnce(): Promise<void> {
    const { tenant, key } = this.#track;
    const run = systemIds.uuid();
    const ask = { tenant, key, run, turn: randomUUID(), admitted: 1, leaseMs: LEASE_MS };
    const begun =
      (await this.#calls.begin(this.#door, ask)) ??
      (this.#random() < 0.3 ? await this.#calls.begin(this.#door, ask) : undefined);
    if (begun === undefined) return;
    if (this.#random() < 0.3) await this.#resolve();
    const { generation, sessionId, epoch } = begun;
    const fence = { tenant, key, run, generation, sessionId, epoch };
    const write = async (seq: number, event: "started" | "progress" | "ended", says: string) => {
      const door = this.#door;
      await this.#calls.write(door, { ...fence, seq, event, says });
      if (this.#random() < 0.2) await this.#calls.write(this.#door, { ...fence, seq, event, says });
    };
    await write(1, "started", "model");
    await sleep(this.#random() < 0.3 ? LONG_PAUSE_MS : this.#random() * 40);
    await write(2, "progress", "thinking");
    if (this.#random() < 0.2) await sleep(LONG_PAUSE_MS);
    if (this.#random() < 0.9)
      await write(0, "ended", this.#random() < 0.8 ? "completed" : "MODEL_FAILED");
  }
}
