/**
 * What one service tells another about the call that it makes. Honoured from authenticated service
 * peers alone; from anybody else these are ignored, and the authenticator's word stands.
 */
export const METADATA = {
  tenant: "lanekeeper-tenant",
  principal: "lanekeeper-principal",
  /** Comma list. */
  scopes: "lanekeeper-scopes",
  /** Comma list of agent ids that the credential is confined to. */
  agents: "lanekeeper-agents",
  /** Comma list of key prefixes that the credential may use. */
  keyPrefixes: "lanekeeper-key-prefixes",
  /** The label of x-request-id: for people and logs, never for deduping. */
  requestId: "lanekeeper-request-id",
  /** https://www.w3.org/TR/trace-context/ */
  traceparent: "traceparent",
  tracestate: "tracestate",
  authorization: "authorization",
} as const;
