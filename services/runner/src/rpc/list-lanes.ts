import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { listLanes as list } from "../store/lanes/list-lanes.ts";
import { readTurns } from "../store/attaching/list-turns.ts";
import type { Handler } from "./handler.ts";
import { formatPageToken, parsePageToken } from "./page-token.ts";
import { parsePageSize } from "./parse-field.ts";
import { turnMessage } from "./turn-message.ts";

/** Lanes that have work, in key order. */
export const listLanes: Handler<"listLanes"> = (context) => async (request, call) => {
  const { db } = context.deps;
  const limit = parsePageSize(request.pageSize, 200, 50);
  const [afterKey = ""] = parsePageToken(request.pageToken, 1) ?? [];
  const found = await list(db, call.tenant, call, { afterKey, limit: limit + 1 });
  const page = found.slice(0, limit);
  const active = await readTurns(
    db,
    call.tenant,
    page.flatMap((lane) => lane.activeTurnId ?? []),
  );
  const byId = new Map(active.map((turn) => [turn.turnId, turn]));
  const last = page.at(-1);
  return {
    lanes: page.map(({ sessionKey, depth, activeTurnId, heartbeatAgeMs }) => {
      const turn = activeTurnId === null ? undefined : byId.get(activeTurnId);
      const age = heartbeatAgeMs === null ? undefined : Math.max(0, Math.round(heartbeatAgeMs));
      return {
        sessionKey,
        depth,
        ...(turn === undefined ? {} : { activeTurn: turnMessage(turn, []) }),
        ...(age === undefined ? {} : { heartbeatAge: durationFromMs(age) }),
      };
    }),
    nextPageToken: found.length > limit && last ? formatPageToken([last.sessionKey]) : "",
  };
};
