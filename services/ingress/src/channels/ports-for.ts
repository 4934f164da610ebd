import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AdapterPorts, MovedPlace, Said } from "@lanekeeper/adapter-kit";
import type { EdgeCallOptions } from "@lanekeeper/client";
import { type Caller, type CallOptions, Code, RpcError } from "@lanekeeper/rpc";
import type { AgentDirectory } from "../agents/agent-directory.ts";
import { requireAgentOf } from "../agents/require-agent-of.ts";
import type { Clients } from "../clients.ts";

/** The other services, as far as events need them, and whom their tenants' events can be answered by. */
export interface ChannelClients extends Pick<Clients, "delivery" | "identity" | "runner"> {
  readonly agents: AgentDirectory;
}

/** For whom an account's event acts, and in whose trace. */
type Acting = Caller & Pick<CallOptions, "within">;

/** What an adapter calls, for whom its account acts. */
export function portsFor(
  clients: ChannelClients,
  caller: Acting,
  { saysInPlace }: { readonly saysInPlace: boolean },
): AdapterPorts {
  const { identity, runner, delivery, agents } = clients;
  const as = (call: EdgeCallOptions = {}) => ({ ...caller, ...call });
  return {
    identity: {
      resolveSession: async (request, call) => {
        const { agentId = "", name, lookUpOnly = false } = request;
        const rawKey = name?.case === "rawKey" ? name.value : undefined;
        // What stands already is only looked up, whoever answers there now.
        if (!lookUpOnly) await requireAgentOf(agents, caller, { agentId, rawKey }, caller.within);
        return identity.resolveSession(request, as(call));
      },
      rotateSession: (request, call) => identity.rotateSession(request, as(call)),
      registerEquivalence: (request, call) => identity.registerEquivalence(request, as(call)),
    },
    runner: {
      findTurn: (request, call) => runner.findTurn(request, as(call)),
      submitTurn: (request, call) => runner.submitTurn(request, as(call)),
      getLane: (request, call) => runner.getLane(request, as(call)),
      cancelTurn: (request, call) => runner.cancelTurn(request, as(call)),
    },
    delivery: {
      registerRoute: (request, call) => delivery.registerRoute(request, as(call)),
    },
    move: (moved, call) => move(clients, moved, as(call)),
    ...(saysInPlace
      ? { say: (said: Said, call: EdgeCallOptions) => say(clients, said, as(call)) }
      : {}),
  };
}

async function move(
  { delivery }: ChannelClients,
  { changeTime, ...place }: MovedPlace,
  call: EdgeCallOptions & Acting,
): Promise<void> {
  const when = changeTime === undefined ? {} : { changeTime: timestampFromDate(changeTime) };
  try {
    await delivery.moveRoutes({ ...place, ...when }, call);
  } catch (error) {
    // A delivery of the release before knows no such call: routes are moved as they were then.
    if (!(error instanceof RpcError && error.code === Code.UNIMPLEMENTED)) throw error;
  }
}

/** It answers no turn, so its own id stands for one. */
async function say(
  { delivery }: ChannelClients,
  { requestId, session, routeId, text }: Said,
  call: EdgeCallOptions & Acting,
): Promise<void> {
  const parts = [{ content: { case: "text" as const, value: text } }];
  const request = { requestId, session, turnId: requestId, routeId, parts };
  await delivery.enqueueDelivery(request, call);
}
