import { createHash, randomUUID } from "node:crypto";
import type { RunnerClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { AttachTurnResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type Gate, gate } from "@lanekeeper/testing";
import type { Doors } from "../../chaos/world/doors.ts";

const TURN_MS = 30_000;

/** One turn, and who waits behind it at another replica. */
export interface HandoverParts {
  readonly doors: Doors;
  readonly tenant: string;
  readonly agentId: string;
  /** The model's next answer waits for the gate that this is told. */
  readonly hold: (until: Gate) => void;
}

/**
 * One replica runs a turn, another has the caller of the next one. Gives the milliseconds from when the
 * first caller was told its turn's end to when the second was told that its run began; undefined
 * where the same replica ran both, which is no wake-up across replicas.
 */
export async function handOver(parts: HandoverParts, round: number): Promise<number | undefined> {
  const { doors, tenant, agentId, hold } = parts;
  const [one, other] = round % 2 === 0 ? doors.runner : doors.runner.toReversed();
  const [identity] = doors.identity;
  if (one === undefined || other === undefined || identity === undefined)
    throw new Error("no doors");
  const name = { case: "rawKey", value: `agent:${agentId}:wake:${randomUUID()}` } as const;
  const { session } = await identity.resolveSession({ name }, { tenant });
  if (session?.ref === undefined) throw new Error("resolve told no session");
  const answering = gate();
  hold(answering);
  const first = new Caller(one, session.ref, tenant);
  await first.saw("runBegun");
  const second = new Caller(other, session.ref, tenant);
  await second.saw("queued");
  answering.open();
  const endedMs = await first.saw("ended");
  const begunMs = await second.saw("runBegun");
  await second.saw("ended");
  const ran = await Promise.all([first, second].map((caller) => caller.replica(one)));
  return ran[0] === ran[1] ? undefined : begunMs - endedMs;
}

type Kind = NonNullable<AttachTurnResponse["event"]["case"]>;

/** A turn's caller, who notes when each kind of event first came. */
class Caller {
  readonly #tenant: string;
  readonly #seen = new Map<Kind, PromiseWithResolvers<number>>();
  #turnId = "";

  constructor(door: RunnerClient, session: SessionRef, tenant: string) {
    this.#tenant = tenant;
    void this.#read(door, session).catch((error: unknown) => {
      for (const waiting of this.#seen.values()) waiting.reject(error);
    });
  }

  /** When it came, by this process's clock. */
  async saw(kind: Kind): Promise<number> {
    return this.#of(kind).promise;
  }

  /** The replica that ran the turn. */
  async replica(door: RunnerClient): Promise<string> {
    const { turn } = await door.getTurn({ turnId: this.#turnId }, { tenant: this.#tenant });
    return turn?.runs.at(-1)?.replica ?? "";
  }

  #of(kind: Kind): PromiseWithResolvers<number> {
    const known = this.#seen.get(kind) ?? withResolvers();
    this.#seen.set(kind, known);
    return known;
  }

  async #read(door: RunnerClient, session: SessionRef): Promise<void> {
    const text = randomUUID();
    const request = {
      ...{ idempotencyKey: text, turnClass: TurnClass.PERSON },
      fingerprint: createHash("sha256").update(text).digest(),
      target: { case: "session", value: session } as const,
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: text } as const }] }],
    };
    const target = { case: "submit", value: request } as const;
    const options = { tenant: this.#tenant, principal: "bench", timeoutMs: TURN_MS };
    for await (const { event } of door.attachTurn({ target }, options)) {
      if (event.case === "accepted") this.#turnId = event.value.turnId;
      if (event.case !== undefined) this.#of(event.case).resolve(performance.now());
    }
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** Promise.withResolvers is not in Node 20. */
function withResolvers(): PromiseWithResolvers<number> {
  let resolve: (value: number) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<number>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
