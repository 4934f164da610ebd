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
}

/** Who is asked, and who of them did not answer so far. */
interface Asking {
  readonly operator: Operator;
  readonly silent: Set<ServiceName>;
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

/** Asks all four services. `id` is a request's label, a turn's id or a W3C trace id. */
export async function gather(operator: Operator, id: string): Promise<Gathered> {
  const asking = { operator, silent: new Set<ServiceName>() };
  const found = await lookUp(asking, idsOf(id));
  const more = await Promise.all(turnIdsOf(found).map((turnId) => lookUp(asking, { turnId })));
  const whole = [found, ...more].reduce(merge);
  const rotations = await known(asking, "session-identity", () =>
    rotationsDuring(operator, whole.turns),
  );
  return { ...whole, rotations, silent: [...asking.silent] };
}

/** Nothing where a service does not answer: it is in an outage that people ask what became of something. */
async function known<T>(
  { silent }: Asking,
  service: ServiceName,
  ask: () => Promise<T[]>,
): Promise<T[]> {
  if (silent.has(service)) return [];
  try {
    return await ask();
  } catch (error) {
    const isSilent = error instanceof SilentServiceError;
    if (!isSilent && !hasReason(error, "DRAINING", "STORE_UNAVAILABLE")) throw error;
    silent.add(service);
    return [];
  }
}

async function rotationsDuring(operator: Operator, turns: readonly Turn[]): Promise<Rotation[]> {
  const { listRotations } = SessionIdentityService.method;
  const keyed = turns.filter(({ sessionKey }) => sessionKey !== "");
  const found = await Promise.all(
    keyed.map(async (turn) => {
      const { rotations } = await operator.call(listRotations, { sessionKey: turn.sessionKey });
      return rotations.filter(({ createTime }) => isDuring(turn, createTime));
    }),
  );
  return unique(found.flat(), ({ current }) => `${current?.sessionKey} ${current?.generation}`);
}

function isDuring({ acceptTime, endTime }: Turn, time: Timestamp | undefined): boolean {
  if (acceptTime === undefined || time === undefined) return false;
  const [from, at] = [timestampMs(acceptTime), timestampMs(time)];
  return at >= from && (endTime === undefined || at <= timestampMs(endTime));
}

/** A UUID may be a turn's id, or the label that a client chose. */
function idsOf(id: string): Ids {
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
    known(asking, "ingress", async () => {
      return (await operator.call(listRequests, { ...by, ...PAGE })).requests;
    }),
    known(asking, "runner", () => askTurns(operator, by)),
    known(asking, "session-identity", async () => {
      return (await operator.call(listJournal, { ...by, ...PAGE })).entries;
    }),
    known(asking, "delivery", () => askDeliveries(operator, by)),
  ]);
  return { requests, turns, journal, deliveries, rotations: [], silent: [] };
}

async function askTurns(operator: Operator, { turnId, ...by }: Ids): Promise<Turn[]> {
  const { getTurn, listTurns } = RunnerService.method;
  if (turnId === undefined) return (await operator.call(listTurns, { ...by, ...PAGE })).turns;
  try {
    const { turn } = await operator.call(getTurn, { turnId });
    return turn === undefined ? [] : [turn];
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
  return [...new Set(ids.filter((id) => id !== ""))].slice(0, MAX_TURNS);
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
  };
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Map<string, T>();
  for (const item of items) if (!seen.has(key(item))) seen.set(key(item), item);
  return [...seen.values()];
}
