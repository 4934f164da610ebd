import { type Caller, permissionDenied } from "@lanekeeper/rpc";
import type { Scope } from "./credential.ts";

/** Asks for any of these scopes. @throws PERMISSION_DENIED */
export function requireScope(caller: Caller, ...anyOf: readonly Scope[]): void {
  if (anyOf.some((scope) => caller.scopes.includes(scope))) return;
  const wanted = anyOf.join(" or ");
  throw permissionDenied(`the credential lacks the scope ${wanted}`, { scope: wanted });
}
