import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { LIMITS } from "../limits.ts";
import { readLane } from "../store/lanes/lane-row.ts";
import { readTurns } from "../store/attaching/list-turns.ts";
import { readQueue } from "../store/lanes/read-position.ts";
import { readRuns } from "../store/attaching/read-turn.ts";
import type { Sql } from "../store/sql.ts";
import { requireKey } from "./bounds.ts";
import type { Handler } from "./handler.ts";
import { parseSessionKey } from "./parse-field.ts";
import { turnMessage } from "./turn-message.ts";

/** A lane where nobody ever spoke is an empty one. */
export const getLane: Handler<"getLane"> = (context) => async (request, call) => {
  const { db } = context.deps;
  const { tenant } = call;
  const sessionKey = requireKey(parseSessionKey("session_key", request.sessionKey), call);
  const read = (sql: Sql) => readWhole(sql, tenant, sessionKey);
  return db.transaction(read, { isolation: "repeatable read", readOnly: true });
};

/** In one transaction that sees one moment: a turn would else be told as the active one that has ended. */
async function readWhole(sql: Sql, tenant: string, sessionKey: string) {
  const [lane, { order, holder }] = await Promise.all([
    readLane(sql, tenant, sessionKey),
    readQueue(sql, tenant, sessionKey),
  ]);
  const waiting = order.slice(0, LIMITS.waitingTurnsPerLane).map(({ turnId }) => turnId);
  const activeTurnId = lane?.activeTurnId;
  const shown = activeTurnId === undefined ? waiting : [activeTurnId, ...waiting];
  const [turns, runs] = await Promise.all([
    readTurns(sql, tenant, shown),
    readRuns(sql, tenant, shown),
  ]);
  const ahead = holder.holderRunId === undefined ? 0 : 1;
  const active = turns.find(({ turnId }) => turnId === activeTurnId);
  const queued = turns.filter(({ turnId }) => turnId !== activeTurnId);
  const { heartbeatAgeMs } = holder;
  return {
    lane: {
      sessionKey,
      depth: lane?.depth ?? 0,
      ...(active === undefined ? {} : { activeTurn: turnMessage(active, runs) }),
      ...(heartbeatAgeMs === undefined
        ? {}
        : { heartbeatAge: durationFromMs(Math.round(heartbeatAgeMs)) }),
      queuedTurns: queued.map((turn, index) => turnMessage(turn, runs, index + ahead)),
    },
  };
}
