import type { ChannelControl } from "@lanekeeper/rpc";
import type { IdentityClient, TestReplica } from "../identity.ts";

/** All but the streams, over whichever transport. */
export type Calls = Omit<IdentityClient, "watchSessions" | "exchange" | keyof ChannelControl>;

/** One replica, as the services that call it see it. */
export type Door = Readonly<Record<"ingress" | "runner" | "delivery", Calls>>;

/** The door of a replica that is served over gRPC. */
export function grpcDoor(replica: TestReplica): Door {
  return {
    ingress: replica.client("ingress"),
    runner: replica.client("runner"),
    delivery: replica.client("delivery"),
  };
}
