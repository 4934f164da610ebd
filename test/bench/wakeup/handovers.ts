import { createHash, randomUUID } from "node:crypto";
import type { IdentityClient, RunnerClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { AttachTurnResponse } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type Gate, gate } from "@lanekeeper/testing";

const TURN_MS = 30_000;

/** One turn, and who waits behind it at another replica. */
export interface HandoverParts {
  readonly identity: IdentityClient;
  /** The replicas of the runner whose callers the two turns have. */
  readonly runners: readonly [RunnerClient, RunnerClient];
  readonly tenant: string;
  readonly agentId: string;
  /** The model's next answer waits for the gate that this is told. */
  readonly hold: (until: Gate) => void;
}

/** From when the first caller was told its turn's end to when the second was told that its run began. */
export interface Handover {
  readonly ms: number;
  readonly isAcross: boolean;
}

/** One replica runs a turn, the same or another has the caller of the next one in the lane. */
export async function handOver(parts: HandoverParts): Promise<Handover> {
  const { identity, tenant, agentId, hold } = parts;
  const [one, other] = parts.runners;
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
  return { ms: begunMs - endedMs, isAcross: ran[0] !== ran[1] };
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
