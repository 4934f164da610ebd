import type { ResolveSessionRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { isOutside, peerName, permissionDenied } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { nameCaller } from "../names/caller.ts";
import type { ResolveQuestion } from "../names/resolver.ts";
import { type DecisionFields, deciding, peerFields } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { agentId, givenName } from "./parse/key.ts";
import { optionalPositive, optionalUuid } from "./parse/text.ts";
import { showBinding } from "./show/binding.ts";
import { showSession } from "./show/session.ts";

export function resolveSession(context: IdentityContext): IdentityRoutes["resolveSession"] {
  return async (request, call) => {
    const question = parse(request);
    if (question.mint && (isOutside(call) || peerName(call.peer) !== "runner")) {
      throw permissionDenied("keys are minted by the runner alone");
    }
    const { state, binding, freshness } = await deciding(
      context,
      call,
      "resolve",
      () => aboutOf(question),
      context.resolver.resolve(question, nameCaller(call)),
    );
    return { session: showSession(state, freshness), binding: showBinding(binding) };
  };
}

function aboutOf(question: ResolveQuestion): DecisionFields {
  const { name, expectedSessionId, expectedGeneration } = question;
  const named = name.kind === "raw" ? { raw_key: name.raw } : peerFields(name.peer);
  return { ...named, session_id: expectedSessionId, generation: expectedGeneration };
}

function parse(request: ResolveSessionRequest): ResolveQuestion {
  return {
    agent: agentId(request.agentId),
    name: givenName(request.name),
    lookUpOnly: request.lookUpOnly,
    expectedSessionId: optionalUuid("expected_session_id", request.expectedSessionId),
    expectedGeneration: optionalPositive("expected_generation", request.expectedGeneration),
    internal: request.internal,
    mint: request.mint,
  };
}
