import { isUnavailable } from "@lanekeeper/postgres";
import { type CallContext, storeUnavailable } from "@lanekeeper/rpc";

/** What a caller is told where the database cannot be reached; everything else stays as it is. */
export function asTold(error: unknown): unknown {
  return isUnavailable(error) ? storeUnavailable("the database cannot be reached", error) : error;
}

/** A handler whose outages are told as STORE_UNAVAILABLE. */
export function told<Request, Answer>(
  handler: (request: Request, call: CallContext) => Promise<Answer>,
): (request: Request, call: CallContext) => Promise<Answer> {
  return async (request, call) => {
    try {
      return await handler(request, call);
    } catch (error) {
      throw asTold(error);
    }
  };
}
