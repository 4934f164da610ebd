import type { IdentityContext } from "../context.ts";
import { listErasures as list } from "../store/erasures/read-erasures.ts";
import type { IdentityRoutes } from "./handler.ts";
import { pageSize, pageToken, readPageToken } from "./parse/page.ts";
import { showErasure, thatFit } from "./show/erasure.ts";

export function listErasures({ db }: IdentityContext): IdentityRoutes["listErasures"] {
  return async ({ underWayOnly, ...request }, { tenant }) => {
    const limit = pageSize(request.pageSize);
    const question = ["erasures", tenant, underWayOnly];
    const before = readPageToken(question, request.pageToken);
    const found = await list(db, tenant, { before, underWayOnly, limit: limit + 1 });
    const page = thatFit(found.slice(0, limit));
    const last = page.at(-1);
    const more = found.length > page.length && last !== undefined;
    return {
      erasures: page.map((one) => showErasure(one)),
      nextPageToken: more ? pageToken(question, last.erasure.erasureId) : "",
    };
  };
}
