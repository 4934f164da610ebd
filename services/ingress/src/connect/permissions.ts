import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type Caller, permissionDenied } from "@lanekeeper/rpc";
import type { Scope } from "../credentials/credential.ts";
import { requireScope } from "../credentials/scopes.ts";

/** Which scopes may call each method of a service; a method that is not stated does not compile. */
type Permissions<D extends DescService> = {
  readonly [K in keyof D["method"]]: readonly Scope[];
};

const ANYBODY: readonly Scope[] = ["chat", "adapter", "operator", "admin"];
const OPERATOR: readonly Scope[] = ["operator"];
const ADAPTER: readonly Scope[] = ["adapter"];
const ADAPTER_OR_OPERATOR: readonly Scope[] = ["adapter", "operator"];
const ADMIN: readonly Scope[] = ["admin"];
/** Between services alone. */
const NOBODY: readonly Scope[] = [];

const IDENTITY: Permissions<typeof SessionIdentityService> = {
  resolveSession: ["chat", "adapter", "operator"],
  normalizeKey: ANYBODY,
  explainKey: ADAPTER_OR_OPERATOR,
  rotateSession: ADAPTER_OR_OPERATOR,
  getSession: ADAPTER_OR_OPERATOR,
  listSessions: OPERATOR,
  listRotations: OPERATOR,
  listJournal: OPERATOR,
  watchSessions: OPERATOR,
  registerKey: ADAPTER_OR_OPERATOR,
  registerEquivalence: ADAPTER_OR_OPERATOR,
  registerAlias: OPERATOR,
  removeAlias: OPERATOR,
  linkPeer: OPERATOR,
  mergeSessions: OPERATOR,
  applyKeyPolicies: ADMIN,
  getKeyPolicies: ["operator", "admin"],
  beginRun: NOBODY,
  writeLifecycle: NOBODY,
  checkFence: NOBODY,
  raiseFences: NOBODY,
  exchange: NOBODY,
};

const RUNNER: Permissions<typeof RunnerService> = {
  submitTurn: ADAPTER,
  attachTurn: ADAPTER_OR_OPERATOR,
  reportCutOff: NOBODY,
  findTurn: ADAPTER_OR_OPERATOR,
  getTurn: ADAPTER_OR_OPERATOR,
  listTurns: OPERATOR,
  cancelTurn: ADAPTER_OR_OPERATOR,
  getLane: ADAPTER_OR_OPERATOR,
  listLanes: OPERATOR,
  watchLanes: OPERATOR,
  listMessages: OPERATOR,
  exportSession: OPERATOR,
  applyAgents: ADMIN,
  listAgents: ["operator", "admin"],
};

const DELIVERY: Permissions<typeof DeliveryService> = {
  registerRoute: ADAPTER,
  listRoutes: ADAPTER_OR_OPERATOR,
  configureRoute: OPERATOR,
  listRouteChanges: OPERATOR,
  rotateSigningSecret: ADAPTER_OR_OPERATOR,
  applyChannelAccounts: ADMIN,
  listChannelAccounts: ["operator", "admin"],
  redriveDelivery: OPERATOR,
  dismissDelivery: OPERATOR,
  showProgress: NOBODY,
  enqueueDelivery: NOBODY,
  getDelivery: ADAPTER_OR_OPERATOR,
  listDeliveries: OPERATOR,
  watchSessions: OPERATOR,
};

const INGRESS: Permissions<typeof IngressService> = {
  getCaller: ANYBODY,
  listRequests: OPERATOR,
  applyTenantSettings: ADMIN,
  getTenantSettings: ["operator", "admin"],
  applyInboundAccounts: ADMIN,
  listInboundAccounts: ["operator", "admin"],
  createSchedule: OPERATOR,
  listSchedules: OPERATOR,
  deleteSchedule: OPERATOR,
  pauseSchedule: OPERATOR,
  resumeSchedule: OPERATOR,
  runSchedule: OPERATOR,
  applySchedules: ADMIN,
};

const PERMISSIONS: Readonly<Record<string, Readonly<Record<string, readonly Scope[]>>>> = {
  [SessionIdentityService.typeName]: IDENTITY,
  [RunnerService.typeName]: RUNNER,
  [DeliveryService.typeName]: DELIVERY,
  [IngressService.typeName]: INGRESS,
};

/** Who may call a method from outside; nobody where nothing is said. */
export function scopesOf(method: DescMethod): readonly Scope[] {
  return PERMISSIONS[method.parent.typeName]?.[method.localName] ?? NOBODY;
}

/** @throws PERMISSION_DENIED */
export function authorizeMethod(caller: Caller, method: DescMethod): void {
  const scopes = scopesOf(method);
  const name = `${method.parent.typeName}/${method.name}`;
  if (scopes.length === 0) {
    throw permissionDenied(`${name} is called between services alone`, { method: name });
  }
  requireScope(caller, ...scopes);
}
