import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type Delivery,
  DeliveryStateSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { Decision, type JournalEntry } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import {
  type Fence,
  RunOutcome,
  RunOutcomeSchema,
  type Rotation,
  RotationReasonSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Request } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import {
  DispositionSchema,
  OnConflict,
  OnConflictSchema,
  type Turn,
  type TurnRun,
  TurnState,
  TurnStateSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { enumName } from "../operator/enum-name.ts";
import type { Gathered } from "./gather.ts";

/** One thing that happened. */
export interface TraceEvent {
  /** Epoch milliseconds, with fractions. */
  readonly atMs: number;
  readonly service: "ingress" | "runner" | "session-identity" | "delivery";
  /** A clause for people. */
  readonly what: string;
}

/** What happened, in the order of time; what came at one moment, in the order of the services. */
export function eventsOf(found: Omit<Gathered, "silent" | "refused" | "cut">): TraceEvent[] {
  const events = [
    ...found.requests.flatMap(requestEvents),
    ...found.turns.flatMap(turnEvents),
    ...found.journal.flatMap(journalEvents),
    ...found.rotations.flatMap(rotationEvents),
    ...found.deliveries.flatMap(deliveryEvents),
  ];
  return events.sort((a, b) => a.atMs - b.atMs);
}

function event(
  service: TraceEvent["service"],
  time: Timestamp | undefined,
  what: string,
): TraceEvent[] {
  return time === undefined
    ? []
    : [{ atMs: Number(time.seconds) * 1_000 + time.nanos / 1e6, service, what }];
}

function requestEvents(request: Request): TraceEvent[] {
  const name =
    request.rawKey === "" ? "without a session key" : `for ${JSON.stringify(request.rawKey)}`;
  const by = request.principal === "" ? "" : ` by ${request.principal}`;
  return [
    ...event(
      "ingress",
      request.createTime,
      `received ${request.route} ${name}${by} (request ${request.requestId})`,
    ),
    ...event("ingress", request.endTime, `the caller was told ${told(request)}`),
  ];
}

function told({ status, disposition, reason, errorMessage }: Request): string {
  if (status === 499) return "nothing: it had hung up (499)";
  const how = disposition === "" ? "" : `, ${disposition}`;
  return reason === "" ? `${status}${how}` : `${status}${how}: ${reason}: ${errorMessage}`;
}

function turnEvents(turn: Turn): TraceEvent[] {
  const { turnId, state, acceptTime, endTime } = turn;
  // One that was cancelled before the turn took it in became a part of none.
  const where = state === TurnState.COALESCED ? into(turn) : "";
  const ended = `turn ${turnId} ended ${enumName(TurnStateSchema, state)}${where}${why(turn.errorReason, turn.errorMessage)}`;
  return [
    ...event("runner", acceptTime, accepted(turn)),
    ...turn.runs.flatMap((run, index) => runEvents(run, index)),
    ...event("runner", endTime, ended),
  ];
}

function accepted(turn: Turn): string {
  const { turnId, disposition, sessionKey, laneSeq, onConflict, routeId } = turn;
  const lane =
    sessionKey === "" ? "without a session" : `in the lane of ${sessionKey}, number ${laneSeq}`;
  const asked =
    onConflict === OnConflict.UNSPECIFIED
      ? ""
      : `, on conflict ${enumName(OnConflictSchema, onConflict)}`;
  const waits = turn.state === TurnState.QUEUED ? `, ${turn.position} before it now` : "";
  const route = routeId === "" ? "" : `, the reply also goes to route ${routeId}`;
  return `accepted as turn ${turnId} (${enumName(DispositionSchema, disposition)}) ${lane}${asked}${waits}${into(turn)}${route}`;
}

function into({ intoTurnId }: Turn): string {
  return intoTurnId === "" ? "" : ` into turn ${intoTurnId}`;
}

function runEvents(run: TurnRun, index: number): TraceEvent[] {
  const { session, runId, runEpoch, replica, outcome, model } = run;
  const under =
    session === undefined
      ? ""
      : ` under session ${session.sessionId}, generation ${session.generation}`;
  const asks = model === "" ? "" : `, asking ${model}`;
  const again = index === 0 ? "" : `, attempt ${index + 1}`;
  return [
    ...event(
      "runner",
      run.startTime,
      `run ${runId} began${under}, epoch ${runEpoch}, on ${replica}${asks}${again}`,
    ),
    ...event(
      "runner",
      run.endTime,
      `run ${runId} ended${outcomeOf(outcome)}${why(run.errorReason, run.errorMessage)}`,
    ),
  ];
}

/** A run that lost its session or its key has none; why stands behind it. */
function outcomeOf(outcome: RunOutcome): string {
  return outcome === RunOutcome.UNSPECIFIED ? "" : ` ${enumName(RunOutcomeSchema, outcome)}`;
}

function journalEvents(entry: JournalEntry): TraceEvent[] {
  const { operation, decision, reason, errorMessage, count, source } = entry;
  const by = source === "" ? "" : ` by ${source}`;
  const verdict =
    decision === Decision.REFUSED
      ? `refused: ${reason}${errorMessage === "" ? "" : `: ${errorMessage}`}${fences(entry)}`
      : `accepted${reason === "" ? "" : ` (${reason})`}${at(entry)}`;
  const times = count > 1 ? `, ${count} times` : "";
  return event("session-identity", entry.createTime, `${operation}${by} ${verdict}${times}`);
}

function rotationEvents(rotation: Rotation): TraceEvent[] {
  const { previous, current, reason, principal, note } = rotation;
  const by = principal === "" ? "" : ` by ${principal}`;
  const why = note === "" ? "" : `: ${note}`;
  const generations = `generation ${previous?.generation ?? 0n} became ${current?.generation ?? 0n}`;
  const what = `${enumName(RotationReasonSchema, reason)}${by}: ${generations}${why}`;
  return event("session-identity", rotation.createTime, what);
}

function at({ sessionId, generation, shown, current }: JournalEntry): string {
  const fence = current ?? shown;
  const run =
    fence === undefined || fence.runId === ""
      ? ""
      : `, run ${fence.runId}, epoch ${fence.runEpoch}`;
  return sessionId === "" ? "" : `: session ${sessionId}, generation ${generation}${run}`;
}

function fences({ shown, current }: JournalEntry): string {
  if (shown === undefined || current === undefined) return "";
  return `; shown ${fenceText(shown)}, current ${fenceText(current)}`;
}

function fenceText({ session, runId, runEpoch }: Fence): string {
  const run = runId === "" ? "no run" : `run ${runId}`;
  return `generation ${session?.generation ?? 0n}, epoch ${runEpoch}, ${run}`;
}

function deliveryEvents(delivery: Delivery): TraceEvent[] {
  const { deliveryId, routeId, routeSeq, state, attemptCount, lastError, providerMessageId } =
    delivery;
  const attempts = attemptCount === 1 ? "1 attempt" : `${attemptCount} attempts`;
  const id = providerMessageId === "" ? "" : `, as ${providerMessageId} there`;
  const error = lastError === "" ? "" : `; last told: ${lastError}`;
  const so = `${enumName(DeliveryStateSchema, state)} after ${attempts}${id}`;
  return [
    ...event(
      "delivery",
      delivery.createTime,
      `reply ${deliveryId} enqueued on route ${routeId}, number ${routeSeq}`,
    ),
    ...event("delivery", delivery.endTime, `reply ${deliveryId}: ${so}${error}`),
    ...(delivery.endTime === undefined
      ? event(
          "delivery",
          delivery.nextAttemptTime,
          `reply ${deliveryId}: ${so}, will be tried at this time${error}`,
        )
      : []),
  ];
}

function why(reason: string, message: string): string {
  return reason === "" ? "" : `: ${reason}${message === "" ? "" : `: ${message}`}`;
}
