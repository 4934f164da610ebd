import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { Code, type Routes, RpcError } from "@lanekeeper/rpc";

export type IdentityRoutes = Routes<typeof SessionIdentityService>;

/** Routes of session-identity of which only some are played; the others are UNIMPLEMENTED. */
export function identityRoutes(played: Partial<IdentityRoutes>): IdentityRoutes {
  const missing = SessionIdentityService.methods.map(({ localName }) => [
    localName,
    () => {
      throw new RpcError(Code.UNIMPLEMENTED, `${localName} is not played`);
    },
  ]);
  return { ...(Object.fromEntries(missing) as IdentityRoutes), ...played };
}
