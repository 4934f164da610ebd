import { notFound } from "@lanekeeper/rpc";
import type { KeyBounds } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { readErasure } from "../store/erasures/read-erasures.ts";
import type { IdentityRoutes } from "./handler.ts";
import { uuid } from "./parse/text.ts";
import { showErasure } from "./show/erasure.ts";

export function getErasure(context: IdentityContext): IdentityRoutes["getErasure"] {
  return async (request, { tenant }) => {
    const erasureId = uuid("erasure_id", request.erasureId);
    return { erasure: await readShown(context, tenant, erasureId) };
  };
}

/** @throws NOT_FOUND */
export async function readShown(
  { db }: IdentityContext,
  tenant: string,
  erasureId: string,
  bounds?: KeyBounds,
) {
  const found = await readErasure(db, tenant, erasureId);
  if (found === undefined) throw notFound("erasure", erasureId);
  return showErasure(found, bounds);
}
