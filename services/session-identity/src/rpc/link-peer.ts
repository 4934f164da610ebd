import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { LinkPeerRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { type CallContext, invalid } from "@lanekeeper/rpc";
import { isKeyRefusal, parsePerson, type Person } from "@lanekeeper/session-key";
import { type LinkCommand, linkPeer as link } from "../acts/link-peer.ts";
import type { IdentityContext } from "../context.ts";
import { checkRules } from "../names/bind.ts";
import { askerOf, checkAgent } from "../names/caller.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import { decided, peerFields } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { configuredAgent, identity } from "./parse/identity.ts";
import { agentId, sessionKey } from "./parse/key.ts";
import { note } from "./parse/text.ts";
import { showPeer } from "./show/binding.ts";

export function linkPeer(context: IdentityContext): IdentityRoutes["linkPeer"] {
  return async (request, call) => {
    const command = await parse(context, request, call);
    const actor = { tenant: call.tenant, asker: askerOf(call) };
    const result = await link(context, actor, command);
    const { peer, createMs, leadsTo, merged } = decided(
      context,
      call,
      "link_peer",
      peerFields(command.peer),
      result,
    );
    return {
      link: {
        peer: showPeer(peer),
        person: command.person,
        createTime: timestampFromMs(createMs),
      },
      sessionKey: leadsTo,
      ...(merged === undefined ? {} : { merged }),
    };
  };
}

async function parse(
  { db, replica }: IdentityContext,
  request: LinkPeerRequest,
  call: CallContext,
): Promise<LinkCommand> {
  const peer = identity("peer", request.peer);
  if (peer.kind !== "direct") throw invalid("peer", "only a direct peer is a person");
  const { survivorSessionKey: survivor } = request;
  const tenant = await readTenant(db, call.tenant);
  const agent = configuredAgent(agentId(request.agentId), tenant);
  checkAgent(agent, call);
  checkRules(tenant, replica.rules.version);
  return {
    agentId: agent,
    peer,
    person: person(request.person),
    survivor: survivor === "" ? undefined : sessionKey("survivor_session_key", survivor),
    note: note(request.note),
  };
}

function person(text: string): Person {
  const read = parsePerson(text);
  if (!isKeyRefusal(read) && /^[a-z0-9][a-z0-9_.-]{0,63}$/.test(text)) return read;
  throw invalid("person", "does not match [a-z0-9][a-z0-9_.-]{0,63}");
}
