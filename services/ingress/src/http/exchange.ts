import type { IncomingMessage, ServerResponse } from "node:http";
import type { Caller, LanekeeperError } from "@lanekeeper/rpc";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { SingleHeaders } from "./single-headers.ts";

/** What is known of a request so far: for its log line, its metrics, its span and the request log. */
export interface RequestFacts {
  readonly requestId: string;
  /** Such as "POST /v1/chat/completions". */
  readonly route: string;
  readonly createTime: Date;
  /** W3C traceparent of the request's span; undefined where telemetry is off. */
  readonly traceparent: string | undefined;
  caller?: Caller;
  /** Of a post to a channel; undefined: a request of the HTTP API. */
  channel?: string;
  account?: string;
  rawKey?: string;
  session?: SessionRef;
  /** Set as soon as a turn was accepted. */
  turnId?: string;
  runId?: string;
  /** That a client says it asks again by itself: for the how manieth time. */
  clientRetryCount?: number;
  /** As in x-lane-disposition. */
  disposition?: string;
  /** What the caller was told. */
  error?: LanekeeperError;
}

/** One request and its answer. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly headers: SingleHeaders;
  /** What stands at the `*` of the route's path, decoded. */
  readonly rest: string;
  readonly facts: RequestFacts;
}

/** Writes a whole JSON answer. Does nothing where the client has left. */
export function sendJson(res: ServerResponse, status: number, body: object): void {
  if (res.headersSent || res.destroyed) return;
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  res.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": bytes.length,
  });
  res.end(bytes);
}
