/** A refusal as Connect's JSON has it. */
export class ConnectCallError extends Error {
  override readonly name = "ConnectCallError";
  readonly status: number;
  /** Such as "failed_precondition". */
  readonly code: string;
  /** ErrorInfo.reason; empty where there is none. */
  readonly reason: string;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    const { code = "unknown", message = "" } = (body ?? {}) as { code?: string; message?: string };
    super(`${code}: ${message}`);
    this.status = status;
    this.code = code;
    this.reason = reasonOf(body);
    this.body = body;
  }
}

/** Calls a method of `lanekeeper.<service>.v1` over Connect JSON, as curl would. */
export type ConnectCall = (
  /** Such as "runner.v1.RunnerService/GetLane". */
  method: string,
  request?: object,
) => Promise<Record<string, unknown>>;

/** https://connectrpc.com/docs/protocol#unary-request-response-rpcs */
export function connectJson(baseUrl: string, apiKey: string): ConnectCall {
  return async (method, request = {}) => {
    const response = await fetch(`${baseUrl}/lanekeeper.${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const body = (await response.json()) as Record<string, unknown>;
    if (!response.ok) throw new ConnectCallError(response.status, body);
    return body;
  };
}

function reasonOf(body: unknown): string {
  const details =
    (body as { details?: { type?: string; debug?: { reason?: string } }[] } | null)?.details ?? [];
  const info = details.find(({ type }) => type === "google.rpc.ErrorInfo");
  return info?.debug?.reason ?? "";
}
