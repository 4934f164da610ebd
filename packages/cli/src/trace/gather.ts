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
import type { Operator } from "../operator/operator.ts";
import { type Asking, type Cut, known, type Refused, type Told, told } from "./asking.ts";
import { rotationsDuring } from "./rotations-during.ts";

/** What is known by the ids of one request, each record once. */
interface Records {
  readonly requests: readonly Request[];
  readonly turns: readonly Turn[];
  readonly journal: readonly JournalEntry[];
  readonly deliveries: readonly Delivery[];
}

/** Everything that the services know about one request. */
export interface Gathered extends Records {
  /** Changes of generation under a turn's key between its acceptance and its end. */
  readonly rotations: readonly Rotation[];
  /** Services that did not answer: what they know is missing. */
  readonly silent: readonly ServiceName[];
  /** What services refused to tell, each once. */
  readonly refused: readonly Refused[];
  /** What services could tell more of, each once. */
  readonly cut: readonly Cut[];
}

/** A trace with more turns than this is a storm; the first tell enough. */
const MAX_TURNS = 20;
const PAGE = { pageSize: 500 };
const NOTHING = { rows: [], isCut: false };

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
  const asking: Asking = { operator, silent: new Set<ServiceName>(), refused: [], cut: [] };
  const whole = await withTurns(asking, await lookUp(asking, idsOf(id)));
  const rotations = await rotationsOf(asking, whole.turns);
  const [first] = asking.refused;
  if (first !== undefined && isEmpty(whole)) throw first.error;
  const refused = unique(asking.refused, ({ service, about }) => `${service} ${about}`);
  const cut = unique(asking.cut, ({ service, about }) => `${service} ${about}`);
  return { ...whole, rotations, silent: [...asking.silent], refused, cut };
}

/** Asks for each turn that is named, and for those that come to light by that. */
async function withTurns(asking: Asking, found: Records): Promise<Records> {
  const asked = new Set<string>();
  let whole = found;
  for (;;) {
    const open = turnIdsOf(whole).filter((turnId) => !asked.has(turnId));
    const next = open.slice(0, MAX_TURNS - asked.size);
    if (next.length === 0) {
      const about = "the turns' own records";
      if (open.length > 0) asking.cut.push({ service: "runner", about, rows: asked.size });
      return whole;
    }
    for (const turnId of next) asked.add(turnId);
    const more = await Promise.all(next.map((turnId) => lookUp(asking, { turnId })));
    whole = [whole, ...more].reduce(merge);
  }
}

function isEmpty({ requests, turns, journal, deliveries }: Records): boolean {
  return [requests, turns, journal, deliveries].every(({ length }) => length === 0);
}

/** A turn's key need never have had a session: SubmitTurn takes whatever canonical key it is given. */
async function rotationsOf(asking: Asking, turns: readonly Turn[]): Promise<Rotation[]> {
  const keyed = turns.filter(({ sessionKey }) => sessionKey !== "");
  const found = await Promise.all(
    keyed.map((turn) =>
      known(asking, "session-identity", `the generations of ${turn.sessionKey}`, () =>
        rotationsDuring(asking.operator, turn),
      ),
    ),
  );
  return unique(found.flat(), ({ current }) => `${current?.sessionKey} ${current?.generation}`);
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

async function lookUp(asking: Asking, ids: Ids): Promise<Records> {
  const questions = Object.entries(ids).map(([name, value]) => ask(asking, { [name]: value }));
  return (await Promise.all(questions)).reduce(merge);
}

async function ask(asking: Asking, by: Ids): Promise<Records> {
  const { operator } = asking;
  const { listRequests } = IngressService.method;
  const { listJournal } = SessionIdentityService.method;
  const [requests, turns, journal, deliveries] = await Promise.all([
    known(asking, "ingress", "requests", async () => {
      const answer = await operator.call(listRequests, { ...by, ...PAGE });
      return told(answer.requests, answer);
    }),
    known(asking, "runner", "turns", () => askTurns(operator, by)),
    known(asking, "session-identity", "the journal", async () => {
      const answer = await operator.call(listJournal, { ...by, ...PAGE });
      return told(answer.entries, answer);
    }),
    known(asking, "delivery", "deliveries", () => askDeliveries(operator, by)),
  ]);
  return { requests, turns, journal, deliveries };
}

async function askTurns(operator: Operator, { turnId, ...by }: Ids): Promise<Told<Turn>> {
  const { getTurn, listTurns } = RunnerService.method;
  if (turnId === undefined) {
    const answer = await operator.call(listTurns, { ...by, ...PAGE });
    return told(answer.turns, answer);
  }
  try {
    const [{ turn }, tookIn] = await Promise.all([
      operator.call(getTurn, { turnId }),
      operator.call(listTurns, { intoTurnId: turnId, ...PAGE }),
    ]);
    return turn === undefined ? NOTHING : told([turn, ...tookIn.turns], tookIn);
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return NOTHING;
    throw error;
  }
}

/** Deliveries know their turn and their trace, not the label of the request. */
async function askDeliveries(
  operator: Operator,
  { turnId, traceId }: Ids,
): Promise<Told<Delivery>> {
  if (turnId === undefined && traceId === undefined) return NOTHING;
  const by = turnId === undefined ? { traceId: traceId ?? "" } : { turnId };
  const { listDeliveries } = DeliveryService.method;
  const answer = await operator.call(listDeliveries, { ...by, ...PAGE });
  return told(answer.deliveries, answer);
}

function turnIdsOf({ requests, turns, journal }: Records): string[] {
  const ids = [
    ...turns.flatMap(({ turnId, intoTurnId }) => [turnId, intoTurnId]),
    ...[...requests, ...journal].map(({ turnId }) => turnId),
  ];
  return [...new Set(ids.filter((id) => id !== ""))];
}

function merge(a: Records, b: Records): Records {
  return {
    requests: unique(
      [...a.requests, ...b.requests],
      (one) => `${one.requestId} ${one.createTime?.seconds}.${one.createTime?.nanos}`,
    ),
    // The later answer is of one turn alone, and has its runs.
    turns: unique([...b.turns, ...a.turns], ({ turnId }) => turnId),
    journal: unique([...a.journal, ...b.journal], ({ entryId }) => String(entryId)),
    deliveries: unique([...a.deliveries, ...b.deliveries], ({ deliveryId }) => deliveryId),
  };
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Map<string, T>();
  for (const item of items) if (!seen.has(key(item))) seen.set(key(item), item);
  return [...seen.values()];
}
