import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type Caller, permissionDenied } from "@lanekeeper/rpc";
import type { Scope } from "../credentials/credential.ts";
import { requireScope } from "../credentials/scopes.ts";

/**
 * How far a method reaches, for credentials that are bound to agents or key prefixes. `tenant`: over all
 * of the tenant, so a bound credential may not call it. `agent`: each call concerns an agent, so one that
 * is bound to agents alone may. `key`: the service judges each key, turn and row by the bounds, or there
 * is none to judge. A method is `tenant` until it is told otherwise here.
 */
type Reach = "tenant" | "agent" | "key";

/** Who may call a method. */
export interface Permission {
  readonly scopes: readonly Scope[];
  readonly reach: Reach;
}

/** A method that is not stated does not compile. */
type Permissions<D extends DescService> = {
  readonly [K in keyof D["method"]]: Permission;
};

const only = (...scopes: readonly Scope[]): Permission => ({ scopes, reach: "tenant" });
const byKey = ({ scopes }: Permission): Permission => ({ scopes, reach: "key" });
const byAgent = ({ scopes }: Permission): Permission => ({ scopes, reach: "agent" });

const ANYBODY = only("chat", "adapter", "operator", "admin");
const OPERATOR = only("operator");
const OPERATOR_OR_ADMIN = only("operator", "admin");
const ADAPTER = only("adapter");
const ADAPTER_OR_OPERATOR = only("adapter", "operator");
const ADMIN = only("admin");
/** Between services alone. */
const NOBODY = only();

const IDENTITY: Permissions<typeof SessionIdentityService> = {
  resolveSession: byKey(only("chat", "adapter", "operator")),
  normalizeKey: byKey(ANYBODY),
  explainKey: byKey(ADAPTER_OR_OPERATOR),
  rotateSession: byKey(ADAPTER_OR_OPERATOR),
  getSession: byKey(ADAPTER_OR_OPERATOR),
  listSessions: byKey(OPERATOR),
  listRotations: byKey(OPERATOR),
  listJournal: byKey(OPERATOR),
  watchSessions: byKey(OPERATOR),
  registerKey: byKey(ADAPTER_OR_OPERATOR),
  registerEquivalence: byAgent(ADAPTER_OR_OPERATOR),
  registerAlias: byKey(OPERATOR),
  removeAlias: byKey(OPERATOR),
  linkPeer: byAgent(OPERATOR),
  mergeSessions: byKey(OPERATOR),
  eraseKey: byKey(OPERATOR),
  getErasure: OPERATOR,
  listErasures: OPERATOR,
  listErasuresToDo: NOBODY,
  reportErasure: NOBODY,
  applyKeyPolicies: ADMIN,
  getKeyPolicies: byKey(OPERATOR_OR_ADMIN),
  beginRun: NOBODY,
  writeLifecycle: NOBODY,
  checkFence: NOBODY,
  raiseFences: NOBODY,
  exchange: NOBODY,
};

const RUNNER: Permissions<typeof RunnerService> = {
  submitTurn: byKey(ADAPTER),
  attachTurn: byKey(ADAPTER_OR_OPERATOR),
  awaitTurn: NOBODY,
  reportCutOff: NOBODY,
  findTurn: byKey(ADAPTER_OR_OPERATOR),
  getTurn: byKey(ADAPTER_OR_OPERATOR),
  listTurns: byKey(OPERATOR),
  cancelTurn: byKey(ADAPTER_OR_OPERATOR),
  getLane: byKey(ADAPTER_OR_OPERATOR),
  listLanes: byKey(OPERATOR),
  watchLanes: byKey(OPERATOR),
  listMessages: byKey(OPERATOR),
  exportSession: byKey(OPERATOR),
  applyAgents: ADMIN,
  listAgents: byKey(OPERATOR_OR_ADMIN),
  exchange: NOBODY,
};

const DELIVERY: Permissions<typeof DeliveryService> = {
  registerRoute: byKey(ADAPTER),
  listRoutes: byKey(ADAPTER_OR_OPERATOR),
  configureRoute: byKey(OPERATOR),
  listRouteChanges: byKey(OPERATOR),
  moveRoutes: NOBODY,
  rotateSigningSecret: byKey(ADAPTER_OR_OPERATOR),
  applyChannelAccounts: ADMIN,
  listChannelAccounts: OPERATOR_OR_ADMIN,
  redriveDelivery: byKey(OPERATOR),
  dismissDelivery: byKey(OPERATOR),
  showProgress: NOBODY,
  enqueueDelivery: NOBODY,
  getDelivery: byKey(ADAPTER_OR_OPERATOR),
  listDeliveries: byKey(OPERATOR),
  watchSessions: byKey(OPERATOR),
  exchange: NOBODY,
};

const INGRESS: Permissions<typeof IngressService> = {
  getCaller: byKey(ANYBODY),
  listRequests: byKey(OPERATOR),
  applyTenantSettings: ADMIN,
  getTenantSettings: OPERATOR_OR_ADMIN,
  applyInboundAccounts: ADMIN,
  listInboundAccounts: OPERATOR_OR_ADMIN,
  createSchedule: byKey(OPERATOR),
  listSchedules: byKey(OPERATOR),
  deleteSchedule: byKey(OPERATOR),
  pauseSchedule: byKey(OPERATOR),
  resumeSchedule: byKey(OPERATOR),
  runSchedule: byKey(OPERATOR),
  applySchedules: ADMIN,
};

const API_KEYS: Permissions<typeof ApiKeyService> = {
  createApiKey: byKey(ADMIN),
  listApiKeys: byKey(ADMIN),
  rotateApiKey: byKey(ADMIN),
  revokeApiKey: byKey(ADMIN),
};

const PERMISSIONS: Readonly<Record<string, Readonly<Record<string, Permission>>>> = {
  [SessionIdentityService.typeName]: IDENTITY,
  [RunnerService.typeName]: RUNNER,
  [DeliveryService.typeName]: DELIVERY,
  [IngressService.typeName]: INGRESS,
  [ApiKeyService.typeName]: API_KEYS,
};

/** Who may call a method from outside; nobody where nothing is said. */
export function permissionOf(method: DescMethod): Permission {
  return PERMISSIONS[method.parent.typeName]?.[method.localName] ?? NOBODY;
}

/** @throws PERMISSION_DENIED with the scope that is missing, or what the credential is bound to */
export function authorizeMethod(caller: Caller, method: DescMethod): void {
  const { scopes, reach } = permissionOf(method);
  const name = `${method.parent.typeName}/${method.name}`;
  if (scopes.length === 0) {
    throw permissionDenied(`${name} is called between services alone`, { method: name });
  }
  requireScope(caller, ...scopes);
  const { agents, keyPrefixes } = caller;
  const isTooNarrow =
    (reach !== "key" && keyPrefixes.length > 0) || (reach === "tenant" && agents.length > 0);
  if (!isTooNarrow) return;
  const bound = keyPrefixes.length > 0 ? "session_key_prefixes" : "agent_ids";
  throw permissionDenied(
    `${name} reaches further than this credential, which is bound by ${bound}`,
    { method: name, bound_by: bound },
  );
}
