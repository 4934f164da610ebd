import { create } from "@bufbuild/protobuf";
import { StatusSchema } from "@lanekeeper/protocol/google/rpc/status";
import { Code, fromStatus, RpcError } from "@lanekeeper/rpc";

/** An error as Connect writes it: https://connectrpc.com/docs/protocol#error-end-stream */
interface ErrorBody {
  /** Such as "failed_precondition". */
  readonly code?: unknown;
  readonly message?: unknown;
  readonly details?: unknown;
}

/** The error of an answer that is none. What no Connect server wrote is told by its HTTP status. */
export async function responseError(response: Response): Promise<RpcError> {
  const body: unknown = await response.json().catch(() => undefined);
  if (typeof body === "object" && body !== null && "code" in body) return bodyError(body);
  const { status } = response;
  return new RpcError(codeOfHttp(status), `HTTP ${status}, and no answer of Lanekeeper`);
}

/** The error that Connect's JSON tells: a LanekeeperError where it has one of our reasons. */
export function bodyError({ code, message, details }: ErrorBody): RpcError {
  return fromStatus(
    create(StatusSchema, {
      code: codeOfName(code),
      message: typeof message === "string" ? message : "",
      details: Array.isArray(details) ? details.flatMap(detailOf) : [],
    }),
  );
}

function detailOf(detail: unknown): { typeUrl: string; value: Uint8Array }[] {
  const { type, value } = (detail ?? {}) as { type?: unknown; value?: unknown };
  if (typeof type !== "string" || typeof value !== "string") return [];
  return [{ typeUrl: `type.googleapis.com/${type}`, value: Buffer.from(value, "base64") }];
}

/** Connect's names are gRPC's in lower case, but for one letter. */
function codeOfName(name: unknown): Code {
  if (typeof name !== "string") return Code.UNKNOWN;
  const upper = name === "canceled" ? "CANCELLED" : name.toUpperCase();
  return Object.hasOwn(Code, upper) ? Code[upper as keyof typeof Code] : Code.UNKNOWN;
}

/** https://connectrpc.com/docs/protocol#http-to-error-code */
function codeOfHttp(status: number): Code {
  switch (status) {
    case 400:
      return Code.INTERNAL;
    case 401:
      return Code.UNAUTHENTICATED;
    case 403:
      return Code.PERMISSION_DENIED;
    case 404:
      return Code.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.UNAVAILABLE;
    default:
      return Code.UNKNOWN;
  }
}
