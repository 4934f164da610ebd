import type { RegisterEquivalenceRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { peerSpelling } from "@lanekeeper/session-key";
import {
  type EquivalenceCommand,
  registerEquivalence as register,
} from "../acts/register-equivalence.ts";
import type { IdentityContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { checkRules } from "../names/bind.ts";
import { askerOf, checkAgent } from "../names/caller.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import { decided, peerFields } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { configuredAgent, identity } from "./parse/identity.ts";
import { agentId } from "./parse/key.ts";
import { label } from "./parse/text.ts";
import { showEquivalence } from "./show/binding.ts";

export function registerEquivalence(
  context: IdentityContext,
): IdentityRoutes["registerEquivalence"] {
  return async (request, call) => {
    const command = await parse(context, request, call);
    const actor = { tenant: call.tenant, asker: askerOf(call) };
    const result = await register(context, actor, command);
    const { equivalence, merged } = decided(
      context,
      call,
      "register_equivalence",
      peerFields(command.peer),
      result,
    );
    return {
      equivalence: showEquivalence(equivalence),
      ...(merged === undefined ? {} : { merged }),
    };
  };
}

async function parse(
  { db, replica }: IdentityContext,
  request: RegisterEquivalenceRequest,
  call: CallContext,
): Promise<EquivalenceCommand> {
  const peer = identity("peer", request.peer);
  const sameAs = identity("same_as", request.sameAs);
  const source = label("source", request.source, LIMITS.maxSourceBytes) || "register";
  if (peer.channel !== sameAs.channel)
    throw invalid("same_as.channel", "is another channel's peer");
  if (peerSpelling(peer) === peerSpelling(sameAs)) {
    throw invalid("same_as", "is the same spelling already");
  }
  const tenant = await readTenant(db, call.tenant);
  const agent = configuredAgent(agentId(request.agentId), tenant);
  checkAgent(agent, call);
  checkRules(tenant, replica.rules.version);
  return { agentId: agent, peer, sameAs, source };
}
