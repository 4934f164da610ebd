import type { CallContext } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { listSessions as list } from "../store/keys/list-sessions.ts";
import type { IdentityRoutes } from "./handler.ts";
import { agentId } from "./parse/key.ts";
import { pageSize, pageToken, readPageToken } from "./parse/page.ts";
import { label } from "./parse/text.ts";
import { LIMITS } from "../limits.ts";
import { showSession } from "./show/session.ts";
import { checkAgent } from "../names/caller.ts";

export function listSessions({ db }: IdentityContext): IdentityRoutes["listSessions"] {
  return async (request, call) => {
    const limit = pageSize(request.pageSize);
    const filter = sessionFilter(request, call);
    const { runningOnly } = request;
    const question = ["sessions", call.tenant, filter, runningOnly];
    const after = readPageToken(question, request.pageToken) ?? "";
    const { tenant } = call;
    const found = await list(db, { tenant, ...filter, runningOnly, after, limit: limit + 1 });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const more = found.length > limit && last !== undefined;
    return {
      sessions: page.map((state) => showSession(state)),
      nextPageToken: more ? pageToken(question, last.sessionKey) : "",
    };
  };
}

export interface SessionFilter {
  readonly prefix: string;
  readonly agents: readonly string[];
  /** What the credential is bound to; empty: any key. */
  readonly keyPrefixes: readonly string[];
}

/** What a list or a watch asks for, within what the credential is confined to. */
export function sessionFilter(
  request: { readonly agentId: string; readonly sessionKeyPrefix: string },
  call: CallContext,
): SessionFilter {
  const agent = agentId(request.agentId);
  const prefix = label("session_key_prefix", request.sessionKeyPrefix, LIMITS.maxPrefixBytes);
  const { agents, keyPrefixes } = call;
  if (agent === undefined) return { prefix, agents, keyPrefixes };
  checkAgent(agent, call);
  const ofAgent = `agent:${agent}:`;
  // The longer of the two narrows the range that is read; where they exclude each other it is empty.
  return { prefix: ofAgent.startsWith(prefix) ? ofAgent : prefix, agents: [agent], keyPrefixes };
}
