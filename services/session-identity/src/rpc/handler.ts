import type { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { Routes } from "@lanekeeper/rpc";

export type IdentityRoutes = Routes<typeof SessionIdentityService>;
