import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  WatchSessionsRequestSchema,
  WatchSessionsResponse,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { backoffMs, hasReason, type RetryPolicy } from "@lanekeeper/rpc";
import { asCallError, type CallError, ResumeCallError, RetryCallError } from "./call-error.ts";

/** Whoever has the feed: an IdentityClient, or the `identity` of EdgeClients. */
export interface SessionFeed {
  watchSessions(
    request: MessageInitShape<typeof WatchSessionsRequestSchema>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<WatchSessionsResponse>;
}

export interface FollowOptions<Options> {
  /** Ends the following, without an error. */
  readonly signal?: AbortSignal | undefined;
  /** For whom the calls are made: options of `watchSessions`. */
  readonly call?: Options | undefined;
  /** Told of what broke the stream, each time, before it is opened again. */
  readonly interrupted?: ((error: CallError) => void) | undefined;
}

/** A replica that was restarted is found at once; one outage of minutes costs a call every few seconds. */
const BACKOFF: RetryPolicy = {
  maxAttempts: Number.POSITIVE_INFINITY,
  initialBackoffMs: 50,
  maxBackoffMs: 5_000,
};

/**
 * WatchSessions without its interruptions: a stream that breaks goes on at another replica from the
 * last token. Where the token is too old a snapshot comes (also to whoever skipped the first one, for
 * something was missed), and what it does not name until `snapshotEnd` is gone. A state may come
 * twice; `revision` tells which is the later. `resumeToken` goes on where another process left off.
 * @throws CallError for what asking again does not mend, such as PERMISSION_DENIED
 */
export async function* followSessions<Feed extends SessionFeed>(
  feed: Feed,
  request: MessageInitShape<typeof WatchSessionsRequestSchema> = {},
  options: FollowOptions<Parameters<Feed["watchSessions"]>[1]> = {},
): AsyncGenerator<WatchSessionsResponse, undefined> {
  const { signal, interrupted } = options;
  let asked = request;
  for (let failed = 1; !signal?.aborted; failed += 1) {
    let error: unknown;
    try {
      for await (const message of feed.watchSessions(asked, { ...options.call, signal })) {
        failed = 0;
        if (message.resumeToken !== "") asked = { ...asked, resumeToken: message.resumeToken };
        yield message;
      }
    } catch (thrown) {
      if (signal?.aborted) return;
      const known = mayGoOn(thrown);
      error = thrown;
      interrupted?.(known);
      if (hasReason(error, "RESUME_TOKEN_EXPIRED")) {
        asked = { ...asked, resumeToken: "", skipSnapshot: false };
      }
    }
    await pause(backoffMs(BACKOFF, Math.max(1, failed), error), signal);
  }
}

/** What broke the stream. @throws CallError where opening it again would not help */
function mayGoOn(thrown: unknown): CallError {
  const known = asCallError(thrown);
  if (known instanceof RetryCallError || known instanceof ResumeCallError) return known;
  throw known;
}

async function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
