import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Delivery } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { JournalEntry } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import type { Rotation } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import {
  IngressService,
  type Request,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason } from "@lanekeeper/rpc";
import type { ServiceName } from "@lanekeeper/service";
import { SilentServiceError } from "../operator/connect-error.ts";
import type { Operator } from "../operator/operator.ts";

/** Everything that the services know about one request, each record once. */
export interface Gathered {
  readonly requests: readonly Request[];
  readonly turns: readonly Turn[];
  readonly journal: readonly JournalEntry[];
  readonly deliveries: readonly Delivery[];
  /** Changes of generation under a turn's key between its acceptance and its end. */
  readonly rotations: readonly Rotation[];
  /** Services that did not answer: what they know is missing. */
  readonly silent: readonly ServiceName[];
  /** What services refused to tell, each once. */
  readonly refused: readonly Refused[];
}

/** A question that a service answered with a refusal. */
export interface Refused {
  readonly service: ServiceName;
  /** What was asked for. */
  readonly about: string;
  readonly error: unknown;
}

/** Who is asked, and what they did not tell so far. */
interface Asking {
  readonly operator: Operator;
  readonly silent: Set<ServiceName>;
  readonly refused: Refused[];
}

/** A trace with more turns than this is a storm; the first tell enough. */
const MAX_TURNS = 20;
const PAGE = { pageSize: 500 };

/** What an id of this form can be the id of. */
interface Ids {
  readonly requestId?: string;
  readonly traceId?: string;
  readonly turnId?: string;
}

/**
 * Asks all four services. `id` is a request's label, a turn's id or a W3C trace id. What some of them
 * do not tell leaves out theirs alone.
 * @throws what a service refused with, where nobody told anything
 */
export async function gather(operator: Operator, id: string): Promise<Gathered> {
  const asking: Asking = { operator, silent: new Set<ServiceName>(), refused: [] };
  const whole = await withTurns(asking, await lookUp(asking, idsOf(id)));
  const rotations = await rotationsDuring(asking, whole.turns);
  const [first] = asking.refused;
  if (first !== undefined && isEmpty(whole)) throw first.error;
  const refused = unique(asking.refused, ({ service, about }) => `${service} ${about}`);
  return { ...whole, rotations, silent: [...asking.silent], refused };
}

/** Asks for each turn that is named, and for those that come to light by that. */
async function withTurns(asking: Asking, found: Gathered): Promise<Gathered> {
  const asked = new Set<string>();
  let whole = found;
  for (;;) {
    const next = turnIdsOf(whole)
      .filter((turnId) => !asked.has(turnId))
      .slice(0, MAX_TURNS - asked.size);
    if (next.length === 0) return whole;
    for (const turnId of next) asked.add(turnId);
    const more = await Promise.all(next.map((turnId) => lookUp(asking, { turnId })));
    whole = [whole, ...more].reduce(merge);
  }
}

function isEmpty({ requests, turns, journal, deliveries }: Gathered): boolean {
  return [requests, turns, journal, deliveries].every(({ length }) => length === 0);
}

/**
 * Nothing where a service does not answer, or refuses: it is when something is out of order that people
 * ask what became of something.
 */
async function known<T>(
  { silent, refused }: Asking,
  service: ServiceName,
  about: string,
  ask: () => Promise<T[]>,
): Promise<T[]> {
  if (silent.has(service)) return [];
  try {
    return await ask();
  } catch (error) {
    const isSilent = error instanceof SilentServiceError;
    if (isSilent || hasReason(error, "DRAINING", "STORE_UNAVAILABLE")) silent.add(service);
    else refused.push({ service, about, error });
    return [];
  }
}

/** A turn's key need never have had a session: SubmitTurn takes whatever canonical key it is given. */
async function rotationsDuring(asking: Asking, turns: readonly Turn[]): Promise<Rotation[]> {
  const { listRotations } = SessionIdentityService.method;
  const keyed = turns.filter(({ sessionKey }) => sessionKey !== "");
  const found = await Promise.all(
    keyed.map((turn) =>
      known(asking, "session-identity", `the generations of ${turn.sessionKey}`, async () => {
        const { sessionKey } = turn;
        const { rotations } = await asking.operator.call(listRotations, { sessionKey });
        return rotations.filter(({ createTime }) => isDuring(turn, createTime));
      }),
    ),
  );
  return unique(found.flat(), ({ current }) => `${current?.sessionKey} ${current?.generation}`);
}

function isDuring({ acceptTime, endTime }: Turn, time: Timestamp | undefined): boolean {
  if (acceptTime === undefined || time === undefined) return false;
  const [from, at] = [timestampMs(acceptTime), timestampMs(time)];
  return at >= from && (endTime === undefined || at <= timestampMs(endTime));
}

/**
 * A UUID may be a turn's id, or the label that a client chose. A schedule's run is known by the whole
 * second at which it was due; other programs print such a time with fractions.
 */
function idsOf(given: string): Ids {
  const id = given.replace(/^(schedule\/.+:\d\d)\.0+Z$/, "$1Z");
  if (/^[0-9a-f]{32}$/.test(id)) return { traceId: id, requestId: id };
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return { turnId: id, requestId: id };
  return { requestId: id };
}

async function lookUp(asking: Asking, ids: Ids): Promise<Gathered> {
  const questions = Object.entries(ids).map(([name, value]) => ask(asking, { [name]: value }));
  return (await Promise.all(questions)).reduce(merge);
}

async function ask(asking: Asking, by: Ids): Promise<Gathered> {
  const { operator } = asking;
  const { listRequests } = IngressService.method;
  const { listJournal } = SessionIdentityService.method;
  const [requests, turns, journal, deliveries] = await Promise.all([
    known(asking, "ingress", "requests", async () => {
      return (await operator.call(listRequests, { ...by, ...PAGE })).requests;
    }),
    known(asking, "runner", "turns", () => askTurns(operator, by)),
    known(asking, "session-identity", "the journal", async () => {
      return (await operator.call(listJournal, { ...by, ...PAGE })).entries;
    }),
    known(asking, "delivery", "deliveries", () => askDeliveries(operator, by)),
  ]);
  return { requests, turns, journal, deliveries, rotations: [], silent: [], refused: [] };
}

async function askTurns(operator: Operator, { turnId, ...by }: Ids): Promise<Turn[]> {
  const { getTurn, listTurns } = RunnerService.method;
  if (turnId === undefined) return (await operator.call(listTurns, { ...by, ...PAGE })).turns;
  try {
    const [{ turn }, { turns: tookIn }] = await Promise.all([
      operator.call(getTurn, { turnId }),
      operator.call(listTurns, { intoTurnId: turnId, ...PAGE }),
    ]);
    return turn === undefined ? [] : [turn, ...tookIn];
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return [];
    throw error;
  }
}

/** Deliveries know their turn and their trace, not the label of the request. */
async function askDeliveries(operator: Operator, { turnId, traceId }: Ids): Promise<Delivery[]> {
  if (turnId === undefined && traceId === undefined) return [];
  const by = turnId === undefined ? { traceId: traceId ?? "" } : { turnId };
  const { listDeliveries } = DeliveryService.method;
  return (await operator.call(listDeliveries, { ...by, ...PAGE })).deliveries;
}

function turnIdsOf({ requests, turns, journal }: Gathered): string[] {
  const ids = [
    ...turns.flatMap(({ turnId, intoTurnId }) => [turnId, intoTurnId]),
    ...[...requests, ...journal].map(({ turnId }) => turnId),
  ];
  return [...new Set(ids.filter((id) => id !== ""))];
}

function merge(a: Gathered, b: Gathered): Gathered {
  return {
    requests: unique(
      [...a.requests, ...b.requests],
      (one) => `${one.requestId} ${one.createTime?.seconds}.${one.createTime?.nanos}`,
    ),
    // The later answer is of one turn alone, and has its runs.
    turns: unique([...b.turns, ...a.turns], ({ turnId }) => turnId),
    journal: unique([...a.journal, ...b.journal], ({ entryId }) => String(entryId)),
    deliveries: unique([...a.deliveries, ...b.deliveries], ({ deliveryId }) => deliveryId),
    rotations: [],
    silent: [],
    refused: [],
  };
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Map<string, T>();
  for (const item of items) if (!seen.has(key(item))) seen.set(key(item), item);
  return [...seen.values()];
}
