import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { Operator } from "./operator.ts";

/** A canonical key as it is; any other name by the rules that a request's `x-session-key` meets. */
export async function canonicalKey(operator: Operator, name: string): Promise<string> {
  if (name.startsWith("agent:")) return name;
  const { normalizeKey } = SessionIdentityService.method;
  const answer = await operator.call(normalizeKey, { name: { case: "rawKey", value: name } });
  return answer.sessionKey;
}

/** A name that was misspelt leads to a conversation too, in which nothing ever happened. */
export function nothingThere(what: string, sessionKey: string): string {
  return `${what} under ${sessionKey}: "lanekeeper sessions explain" tells what a name leads to.`;
}

/** UUIDs of sessions and turns. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
