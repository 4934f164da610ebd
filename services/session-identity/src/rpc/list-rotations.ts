import type { IdentityContext } from "../context.ts";
import { checkBounds } from "../names/caller.ts";
import { listRotations as list } from "../store/keys/list-rotations.ts";
import type { IdentityRoutes } from "./handler.ts";
import { sessionKey } from "./parse/key.ts";
import { pageSize, pageToken, readNumberToken } from "./parse/page.ts";
import { showRotation } from "./show/session.ts";
import { visibleSession } from "./visible.ts";

export function listRotations({ db, reads }: IdentityContext): IdentityRoutes["listRotations"] {
  return async (request, call) => {
    const key = sessionKey("session_key", request.sessionKey);
    checkBounds(key, call);
    const limit = pageSize(request.pageSize);
    const question = ["rotations", call.tenant, key];
    const before = readNumberToken(question, request.pageToken);
    const { tenant } = call;
    const { state } = await reads.key(
      { tenant, sessionKey: key, runId: undefined },
      call.abortState,
    );
    visibleSession(state, call, key);
    const found = await list(db, tenant, key, limit + 1, before);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const more = found.length > limit && last !== undefined;
    return {
      rotations: page.map(showRotation),
      nextPageToken: more ? pageToken(question, String(last.generation)) : "",
    };
  };
}
