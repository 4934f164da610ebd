import {
  Code,
  fromStatus,
  LanekeeperError,
  type OnInternalError,
  serviceMetadata,
  silentService,
  storeUnavailable,
  toStatus,
} from "@lanekeeper/rpc";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnEndedError } from "../turns/outcome.ts";

/** An error as OpenAI's clients read it; `code` is our reason. */
export interface OpenAiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
    readonly lanekeeper: Readonly<Record<string, unknown>>;
  };
}

/** An answer to a request that failed. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: OpenAiErrorBody;
}

/** To whom an error is told. */
export interface ErrorScene {
  readonly requestId: string;
  /** Set if the turn was accepted: then asking again with other words would be a second turn. */
  readonly turnId?: string | undefined;
}

/** What a Retry-After says where the error knows nothing better. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  429: "rate_limit_error",
};

/**
 * The reason that stands for whatever was thrown. A defect becomes INTERNAL with an error id, of
 * which `onInternal` is told.
 */
export function asLanekeeperError(thrown: unknown, onInternal: OnInternalError): LanekeeperError {
  if (thrown instanceof TurnEndedError) return thrown;
  const error = fromStatus(toStatus(thrown, onInternal));
  if (error instanceof LanekeeperError) return error;
  const service = silentService(error);
  const who = service ?? "a service that this call needs";
  if (error.code === Code.UNIMPLEMENTED) {
    const metadata = serviceMetadata(service);
    return new LanekeeperError("INTERNAL", `${who} is of an older release`, { metadata });
  }
  return storeUnavailable(`${who} did not answer in time`, error);
}

/** @see https://platform.openai.com/docs/guides/error-codes */
export function errorAnswer(error: LanekeeperError, scene: ErrorScene): ErrorAnswer {
  const retry = shouldRetry(error, scene.turnId !== undefined);
  const status = error.row.http;
  const headers = { "x-should-retry": String(retry), ...retryAfter(error, retry) };
  return {
    status,
    headers: status === 401 ? { ...headers, "www-authenticate": "Bearer" } : headers,
    body: errorBody(error, scene),
  };
}

/** The same as a body alone, for a stream whose status has been sent. */
export function errorBody(error: LanekeeperError, scene: ErrorScene): OpenAiErrorBody {
  const status = error.row.http;
  return {
    error: {
      message: error.message,
      type: TYPES[status] ?? (status >= 500 ? "server_error" : "invalid_request_error"),
      param: error.fieldViolations[0]?.field ?? null,
      code: error.reason,
      lanekeeper: {
        request_id: scene.requestId,
        ...(scene.turnId === undefined ? {} : { turn_id: scene.turnId }),
        should_retry: shouldRetry(error, scene.turnId !== undefined),
        ...busyDetail(error),
        ...(Object.keys(error.metadata).length === 0 ? {} : { metadata: error.metadata }),
      },
    },
  };
}

/** After acceptance a repeat would be another turn, unless the first is still there to be joined. */
function shouldRetry(error: LanekeeperError, isAccepted: boolean): boolean {
  if (error.row.shouldRetry !== "yes") return false;
  return !isAccepted || error.row.http < 500 || error.reason === "WAIT_EXPIRED";
}

function retryAfter(error: LanekeeperError, retry: boolean): Record<string, string> {
  if (!retry && error.retryAfterMs === undefined) return {};
  const ms = error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS;
  return { "retry-after": String(Math.max(1, Math.ceil(ms / 1_000))) };
}

function busyDetail(error: LanekeeperError): Record<string, unknown> {
  const busy = error.detail(SessionBusySchema);
  if (busy === undefined) return {};
  const age = busy.heartbeatAge;
  return {
    busy: {
      holder_run_id: busy.holder?.runId ?? "",
      holder_turn_id: busy.holder?.turnId ?? "",
      heartbeat_age_ms: age === undefined ? null : Math.round(durationMs(age)),
      depth: busy.depth,
    },
  };
}
