import type { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { Routes } from "@lanekeeper/rpc";
import type { RequestStore } from "../request-log/store.ts";
import { authorized } from "./authorized.ts";
import { getCaller } from "./get-caller.ts";
import type { AccountStore } from "../channels/account-store.ts";
import type { SettingsStore } from "../settings/store.ts";
import { applyInboundAccounts, listInboundAccounts } from "./inbound-accounts.ts";
import { listRequests } from "./list-requests.ts";
import type { ScheduleRpcs } from "./schedules/context.ts";
import { scheduleRoutes } from "./schedules/routes.ts";
import { applyTenantSettings, getTenantSettings } from "./tenant-settings.ts";

/** Where what this service tells is kept. */
export interface IngressRpcs {
  readonly requestStore: Pick<RequestStore, "list">;
  readonly settingsStore: SettingsStore;
  readonly accountStore: Pick<AccountStore, "apply" | "list" | "namedByOthers">;
  readonly schedules: ScheduleRpcs;
}

/** Ingress's own service, the same over gRPC and Connect. */
export function ingressRoutes(rpcs: IngressRpcs): Routes<typeof IngressService> {
  return authorized({
    getCaller,
    listRequests: listRequests(rpcs.requestStore),
    applyTenantSettings: applyTenantSettings(rpcs.settingsStore),
    getTenantSettings: getTenantSettings(rpcs.settingsStore),
    applyInboundAccounts: applyInboundAccounts(rpcs.accountStore),
    listInboundAccounts: listInboundAccounts(rpcs.accountStore),
    ...scheduleRoutes(rpcs.schedules),
  });
}
