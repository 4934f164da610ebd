import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { hasReason } from "@lanekeeper/rpc";
import type { Doors } from "../../chaos/world/doors.ts";
import { Gathered } from "../samples/gathered.ts";
import { AGENT, TENANT } from "../world/agents.ts";

const PREFIX = `agent:${AGENT}:probe:`;
const PROBES = 4;
const EVERY_MS = 500;
const CALL_MS = 2_500;
/** Generations of a probe that somebody may still be told of. */
const REMEMBERED = 64;

interface Stream {
  readonly name: string;
  /** Opens a stream of what one service tells. */
  readonly open: (resumeToken: string, signal: AbortSignal) => AsyncIterable<WatchSessionsResponse>;
}

/** Resets a few sessions of its own and measures how long until each replica's watchers are told. */
export class Watchers {
  readonly lags: ReadonlyMap<string, Gathered>;
  readonly #doors: Doors;
  readonly #streams: readonly Stream[];
  readonly #askedMs = new Map<string, number>();

  constructor(doors: Doors) {
    this.#doors = doors;
    this.#streams = [...identityStreams(doors), ...deliveryStreams(doors)];
    this.lags = new Map(this.#streams.map(({ name }) => [name, new Gathered()]));
  }

  async run(over: AbortSignal): Promise<void> {
    await Promise.all([
      this.#probe(over),
      ...this.#streams.map((stream) => this.#follow(stream, over)),
    ]);
  }

  async #probe(over: AbortSignal): Promise<void> {
    for (let n = 0; !over.aborted; n += 1) {
      await this.#rotate(`${PREFIX}${n % PROBES}`, n).catch(() => undefined);
      await sleep(EVERY_MS, undefined, { signal: over }).catch(() => undefined);
    }
  }

  async #rotate(sessionKey: string, n: number): Promise<void> {
    const door = this.#doors.identity[n % this.#doors.identity.length];
    if (door === undefined) throw new Error("no door");
    const options = { tenant: TENANT, timeoutMs: CALL_MS };
    const name = { case: "rawKey", value: sessionKey } as const;
    const { session } = await door.resolveSession({ name }, options);
    // Nobody else rotates it, so what will be told is known before.
    const next = (session?.ref?.generation ?? 0n) + 1n;
    this.#askedMs.set(`${sessionKey} ${next}`, performance.now());
    this.#askedMs.delete(`${sessionKey} ${next - BigInt(REMEMBERED)}`);
    const reason = RotationReason.RESET;
    await door.rotateSession({ requestId: randomUUID(), sessionKey, reason }, options);
  }

  async #follow({ name, open }: Stream, over: AbortSignal): Promise<void> {
    let token = "";
    while (!over.aborted) {
      try {
        for await (const { event, resumeToken } of open(token, over)) {
          if (event.case === "changed") this.#told(name, event.value);
          if (resumeToken !== "") token = resumeToken;
        }
      } catch (error) {
        if (hasReason(error, "RESUME_TOKEN_EXPIRED")) token = "";
        await sleep(100);
      }
    }
  }

  #told(
    name: string,
    { ref }: Extract<WatchSessionsResponse["event"], { case: "changed" }>["value"],
  ): void {
    const askedMs = this.#askedMs.get(`${ref?.sessionKey} ${ref?.generation}`);
    if (askedMs !== undefined) this.lags.get(name)?.add(performance.now() - askedMs);
  }
}

function identityStreams({ identity }: Doors): Stream[] {
  return identity.map((door, index) => ({
    name: `session-identity-${index + 1}`,
    open: (resumeToken, signal) =>
      door.watchSessions({ resumeToken, sessionKeyPrefix: PREFIX }, { tenant: TENANT, signal }),
  }));
}

function deliveryStreams({ delivery }: Doors): Stream[] {
  return delivery.map((door, index) => ({
    name: `delivery-${index + 1}`,
    open: async function* (resumeToken, signal) {
      const request = { resumeToken, sessionKeyPrefix: PREFIX };
      for await (const { event } of door.watchSessions(request, { tenant: TENANT, signal })) {
        if (event !== undefined) yield event;
      }
    },
  }));
}
