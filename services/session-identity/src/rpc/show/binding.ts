import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  KeyBindingSchema,
  PeerEquivalenceSchema,
  PeerSchema,
  RuleStepSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import type { Peer, RuleStep } from "@lanekeeper/session-key";
import type { Binding } from "../../names/binding.ts";
import type { Equivalence } from "../../store/names/list-equivalences.ts";
import { numberOf, PEER_KINDS } from "../parse/enums.ts";

export function showBinding(binding: Binding): MessageInitShape<typeof KeyBindingSchema> {
  const { name } = binding;
  return {
    agentId: binding.agentId,
    sessionKey: binding.sessionKey,
    ruleSetVersion: binding.ruleSetVersion,
    source: binding.source,
    name:
      name.kind === "raw"
        ? { case: "rawKey", value: name.raw }
        : { case: "peer", value: showPeer(name.peer) },
    aliasOf: binding.aliasOf ?? "",
    firstSeenTime: timestampFromMs(binding.firstSeenMs),
    lastSeenTime: timestampFromMs(binding.lastSeenMs),
  };
}

export function showPeer(peer: Peer): MessageInitShape<typeof PeerSchema> {
  const { channel, account = "", kind, peer: peerId, thread = "" } = peer;
  return {
    channel,
    accountId: account,
    kind: numberOf(PEER_KINDS, kind),
    peerId,
    threadId: thread,
  };
}

/** Where a rule changed nothing it has no place. */
export function showStep(step: RuleStep): MessageInitShape<typeof RuleStepSchema> {
  const { rule, before, after } = step;
  return { rule, before, after, offset: before === after ? -1 : step.offset };
}

export function showEquivalence(
  equivalence: Equivalence,
): MessageInitShape<typeof PeerEquivalenceSchema> {
  const { peer, sameAs, source, createMs } = equivalence;
  return {
    peer: showPeer(peer),
    sameAs: showPeer(sameAs),
    source,
    createTime: timestampFromMs(createMs),
  };
}
