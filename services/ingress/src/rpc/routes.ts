import type { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { CallContext, Routes } from "@lanekeeper/rpc";
import { authorizeMethod } from "../connect/permissions.ts";
import type { RequestStore } from "../request-log/store.ts";
import { getCaller } from "./get-caller.ts";
import type { AccountStore } from "../channels/account-store.ts";
import type { SettingsStore } from "../settings/store.ts";
import { applyInboundAccounts, listInboundAccounts } from "./inbound-accounts.ts";
import { listRequests } from "./list-requests.ts";
import { applyTenantSettings, getTenantSettings } from "./tenant-settings.ts";

/** Where what this service tells is kept. */
export interface IngressStores {
  readonly requestStore: Pick<RequestStore, "list">;
  readonly settingsStore: SettingsStore;
  readonly accountStore: Pick<AccountStore, "apply" | "list">;
}

/** Ingress's own service, the same over gRPC and Connect. */
export function ingressRoutes(stores: IngressStores): Routes<typeof IngressService> {
  const list = listRequests(stores.requestStore);
  const apply = applyTenantSettings(stores.settingsStore);
  const get = getTenantSettings(stores.settingsStore);
  const applyAccounts = applyInboundAccounts(stores.accountStore);
  const listAccounts = listInboundAccounts(stores.accountStore);
  return {
    getCaller: (request, call) => {
      authorizeCall(call);
      return getCaller(request, call);
    },
    listRequests: (request, call) => {
      authorizeCall(call);
      return list(request, call);
    },
    applyTenantSettings: (request, call) => {
      authorizeCall(call);
      return apply(request, call);
    },
    getTenantSettings: (request, call) => {
      authorizeCall(call);
      return get(request, call);
    },
    applyInboundAccounts: (request, call) => {
      authorizeCall(call);
      return applyAccounts(request, call);
    },
    listInboundAccounts: (request, call) => {
      authorizeCall(call);
      return listAccounts(request, call);
    },
  };
}

/** An outside credential needs the scope at every door; peers stand in the allow-list. */
function authorizeCall(call: CallContext): void {
  if (call.peer.kind === "caller") authorizeMethod(call, call.method);
}
