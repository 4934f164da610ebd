import { randomUUID } from "node:crypto";

/** What nobody else may learn of or change: a conversation with a turn, a route and a reply. */
export interface Hidden {
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly turnId: string;
  readonly routeId: string;
  readonly deliveryId: string;
  readonly scheduleId: string;
}

/** The request, for a hidden conversation and for a key of its tenant. */
type Attempt = (hidden: Hidden, apiKeyId: string) => object;

const PEER = { channel: "telegram", kind: "PEER_KIND_DIRECT", peerId: "1" };

/** Each call with which somebody could try to reach it. */
export const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  ResolveSession: ({ sessionKey }) => ({ rawKey: sessionKey, lookUpOnly: true }),
  NormalizeKey: ({ sessionKey }) => ({ rawKey: sessionKey }),
  ExplainKey: ({ sessionKey }) => ({ rawKey: sessionKey }),
  RotateSession: ({ sessionKey }) => ({
    ...{ requestId: randomUUID(), sessionKey, reason: "ROTATION_REASON_RESET" },
  }),
  GetSession: ({ sessionId }) => ({ sessionId }),
  ListSessions: () => ({}),
  ListRotations: ({ sessionKey }) => ({ sessionKey }),
  ListJournal: () => ({}),
  RegisterKey: ({ sessionKey }) => ({ rawKey: sessionKey }),
  RegisterEquivalence: () => ({ agentId: "main", peer: PEER, sameAs: { ...PEER, peerId: "2" } }),
  RegisterAlias: ({ sessionKey }) => ({ aliasSessionKey: "agent:main:mine:a", sessionKey }),
  RemoveAlias: ({ sessionKey }) => ({ aliasSessionKey: sessionKey }),
  LinkPeer: () => ({ agentId: "main", peer: PEER, person: "ada" }),
  MergeSessions: ({ sessionKey }) => ({
    ...{ requestId: randomUUID(), sessionKey, survivorSessionKey: "agent:main:mine:1" },
  }),
  EraseKey: ({ sessionKey }) => ({ requestId: randomUUID(), sessionKey }),
  GetKeyPolicies: () => ({}),
  SubmitTurn: ({ sessionKey, sessionId }) => ({
    ...{ idempotencyKey: randomUUID(), fingerprint: "AAAA", turnClass: "TURN_CLASS_PERSON" },
    session: { sessionKey, sessionId, generation: "1" },
    messages: [{ role: "ROLE_USER", parts: [{ text: "let me in" }] }],
  }),
  FindTurn: () => ({ idempotencyKey: "hidden/1", fingerprint: "AAAA" }),
  GetTurn: ({ turnId }) => ({ turnId, withRequest: true }),
  ListTurns: () => ({}),
  CancelTurn: ({ turnId }) => ({ turnId }),
  GetLane: ({ sessionKey }) => ({ sessionKey }),
  ListLanes: () => ({}),
  ListMessages: ({ sessionId }) => ({ sessionId }),
  ListAgents: () => ({}),
  RegisterRoute: ({ sessionKey }) => ({
    ...{ sessionKey, kind: "ROUTE_KIND_WEBHOOK", address: "https://hooks.example/mine" },
  }),
  ListRoutes: ({ sessionKey }) => ({ sessionKey }),
  ConfigureRoute: ({ routeId }) => ({ routeId, isDefault: false }),
  ListRouteChanges: ({ routeId }) => ({ routeId }),
  RotateSigningSecret: ({ routeId }) => ({ requestId: "steal", routeId }),
  RedriveDelivery: ({ deliveryId }) => ({
    ...{ requestId: "again", deliveryId, generation: "REDRIVE_GENERATION_CURRENT" },
  }),
  DismissDelivery: ({ deliveryId }) => ({ deliveryId }),
  GetDelivery: ({ deliveryId }) => ({ deliveryId }),
  ListDeliveries: () => ({}),
  GetCaller: () => ({}),
  ListRequests: ({ turnId }) => ({ turnId }),
  CreateSchedule: ({ scheduleId, routeId }) => ({
    ...{ spec: { scheduleId, cron: "0 8 1 1 *", message: "mine", routeId } },
  }),
  ListSchedules: () => ({}),
  DeleteSchedule: ({ scheduleId }) => ({ scheduleId }),
  PauseSchedule: ({ scheduleId }) => ({ scheduleId }),
  ResumeSchedule: ({ scheduleId }) => ({ scheduleId }),
  RunSchedule: ({ scheduleId }) => ({ requestId: "by-hand", scheduleId }),
  CreateApiKey: () => ({ requestId: randomUUID(), scopes: ["operator"] }),
  ListApiKeys: () => ({ includeEnded: true }),
  RotateApiKey: (_, apiKeyId) => ({ requestId: "1", apiKeyId }),
  RevokeApiKey: (_, apiKeyId) => ({ apiKeyId }),
};
