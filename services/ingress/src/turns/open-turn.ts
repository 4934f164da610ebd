import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { hasReason, isNotFound, LanekeeperError } from "@lanekeeper/rpc";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type {
  SubmitTurnRequestSchema,
  SubmitTurnResponse,
  TurnEnded,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { AttachTarget, Attaching, TurnEvent } from "./attach-turn.ts";
import { type Awaiting, awaitTurn } from "./await-turn.ts";
import type { RunnerClient } from "@lanekeeper/client";
import { type DispositionWord, dispositionWord } from "./disposition.ts";
import { followOn, followTurn, hostOf } from "./follow-turn.ts";
import type { PlainWait } from "../metrics.ts";
import { tellPlainWait, type WaitsTold } from "./plain-wait.ts";
import { waitsElsewhere } from "./wait-expired.ts";
import { callOptions, type TurnRequest } from "./turn-request.ts";
import { type Finding, targetOf } from "./turn-target.ts";
import type { FirstTry, UnsureSubmissions } from "./unsure-submissions.ts";

/** What opening a turn needs. */
export interface Opening extends Attaching, Finding, WaitsTold {
  readonly runner: Pick<RunnerClient, "attachTurn" | "awaitTurn" | "findTurn">;
  readonly limits: Attaching["limits"] & Awaiting["limits"];
  readonly unsure: UnsureSubmissions;
}

/** A turn that was accepted, now or before. */
export interface OpenTurn {
  readonly turnId: string;
  readonly session: SessionRef | undefined;
  readonly disposition: DispositionWord;
  readonly position: number;
  /** When it was accepted, or was about to be: monotonic milliseconds. */
  readonly acceptedMs: number;
  /** From acceptance until its run began, in milliseconds; undefined: `events` tells of it. */
  readonly waitedMs?: number;
  /** What follows `accepted`; ends with `ended`. To be read, or returned from, once. */
  readonly events: AsyncGenerator<TurnEvent, void>;
}

/**
 * Takes a request to its turn: one that its idempotency key was used for before, else a new one under
 * the session that its name leads to. What comes before acceptance is not ended by the caller's
 * leaving: a request that arrived whole is not lost because a phone went out of reach.
 * @throws what session-identity or the runner refuses with, UNKNOWN_MODEL, PERMISSION_DENIED,
 * STORE_UNAVAILABLE
 */
export async function openTurn(deps: Opening, request: TurnRequest): Promise<OpenTurn> {
  const known = await findTurn(deps, request);
  if (known?.session !== undefined) request.onSession(known.session);
  const target: AttachTarget =
    known === undefined
      ? { case: "submit", value: await submission(deps, request) }
      : { case: "turnId", value: known.turnId };
  const key = keyOf(request, target);
  const { signal, wholeAnswer } = request;
  if (target.case === "submit" && wholeAnswer) {
    const opened = await openAwaited(deps, request, target.value);
    if (opened !== undefined) {
      noteAccepted(deps, request, key);
      return opened;
    }
  }
  const events = followTurn(deps, target, { signal, wholeAnswer, ...callOptions(request) });
  const accepted = await firstEvent(events).catch((error: unknown) => {
    if (target.case !== "submit" || !hasReason(error, "STORE_UNAVAILABLE")) throw error;
    throw deps.unsure.note(request, key, error);
  });
  noteAccepted(deps, request, key);
  return {
    acceptedMs: deps.clock.monotonicMs(),
    turnId: accepted.turnId,
    session: accepted.session ?? known?.session,
    disposition: known === undefined ? dispositionWord(accepted.disposition) : "joined",
    position: accepted.position,
    events,
  };
}

/** Whoever has left meanwhile does not know it. */
function noteAccepted({ unsure }: Opening, request: TurnRequest, key: string): void {
  if (!request.left.aborted) unsure.accepted(request, key);
}

/** By which the turn is known: the caller's own, or one that was made for it. */
function keyOf({ ask }: TurnRequest, target: AttachTarget): string {
  return (target.case === "submit" && target.value.idempotencyKey) || ask.options.idempotencyKey;
}

/** A turn that may end within the call that submits it. Undefined: attach to it. */
async function openAwaited(
  deps: Opening,
  request: TurnRequest,
  submit: MessageInitShape<typeof SubmitTurnRequestSchema>,
): Promise<OpenTurn | undefined> {
  const { signal, left, wholeAnswer } = request;
  const call = callOptions(request);
  const acceptedMs = deps.clock.monotonicMs();
  const answer = await awaitTurn(deps, submit, { signal: left, ...call });
  if (typeof answer === "string") {
    tellPlainWait(deps, answer);
    return undefined;
  }
  const { accepted, ended, waited } = answer;
  if (accepted === undefined) {
    throw new LanekeeperError("INTERNAL", "the runner accepted a turn without telling it");
  }
  const { turnId, session, disposition, position } = accepted;
  const isOver = ended === undefined && signal.aborted;
  tellPlainWait(deps, isOver ? "left" : waitOf(ended), turnId);
  return {
    turnId,
    session,
    disposition: dispositionWord(disposition),
    position,
    acceptedMs,
    ...(waited === undefined ? {} : { waitedMs: durationMs(waited) }),
    events: isOver
      ? notFollowed(turnId, signal.reason)
      : followOn(deps, turnId, ended, { signal, wholeAnswer, ...call }),
  };
}

/** One that became a part of another is answered by that one, whose stream is followed. */
function waitOf(ended: TurnEnded | undefined): PlainWait {
  return ended === undefined || hostOf(ended) !== undefined ? "followed" : "ended";
}

/** The process began to end before it was known that the turn had been accepted. */
// oxlint-disable-next-line require-yield
async function* notFollowed(turnId: string, cause: unknown): AsyncGenerator<TurnEvent, void> {
  throw waitsElsewhere(turnId, cause);
}

/** Looked up before the name is resolved: a repeat gets its turn whatever became of the name since. */
async function findTurn(deps: Opening, request: TurnRequest): Promise<Turn | undefined> {
  const { idempotencyKey } = request.ask.options;
  if (idempotencyKey === "") return undefined;
  const { fingerprint } = request;
  try {
    const found = await deps.runner.findTurn({ idempotencyKey, fingerprint }, callOptions(request));
    return found.turn;
  } catch (error) {
    // Of one whose turn was erased it tells that the turn is gone.
    if (isNotFound(error, "request")) return undefined;
    throw error;
  }
}

async function submission(
  deps: Opening,
  request: TurnRequest,
): Promise<MessageInitShape<typeof SubmitTurnRequestSchema>> {
  const { fingerprint } = request;
  const ask = await request.completed();
  const { options } = ask;
  const firstTry = await firstTryOf(deps, request);
  return {
    idempotencyKey: options.idempotencyKey || madeKey(request, firstTry),
    keyIsGenerated: options.idempotencyKey === "",
    fingerprint,
    target: await targetOf(deps, request, ask),
    requireGeneration: options.expectedGeneration !== 0n || options.expectedSessionId !== "",
    onConflict: options.onConflict,
    turnClass: TurnClass.PERSON,
    messages: [...ask.messages],
    origin: { source: "http", rawKey: ask.rawKey ?? "" },
    parameters: ask.parameters,
    clientRetryCount: options.clientRetryCount,
    ...(firstTry?.ageMs === undefined
      ? {}
      : { firstTryAge: durationFromMs(Math.max(1, Math.ceil(firstTry.ageMs))) }),
  };
}

/** Of a retry without a key of the client's, where this replica knows of it. */
async function firstTryOf(
  { unsure }: Opening,
  request: TurnRequest,
): Promise<FirstTry | undefined> {
  const { idempotencyKey, clientRetryCount } = request.ask.options;
  if (idempotencyKey !== "" || clientRetryCount === 0) return undefined;
  return unsure.firstTryOf(request);
}

/** Of a retry the key that the first one had, where its caller does not know what became of it. */
function madeKey(request: TurnRequest, firstTry: FirstTry | undefined): string {
  const key = firstTry?.idempotencyKey ?? randomUUID();
  request.submitting(key);
  return key;
}

async function firstEvent(events: AsyncGenerator<TurnEvent, void>): Promise<SubmitTurnResponse> {
  const { value: event } = await events.next();
  if (event?.case === "accepted") return event.value;
  await events.return();
  throw new LanekeeperError("INTERNAL", "the runner's stream did not begin with `accepted`");
}
