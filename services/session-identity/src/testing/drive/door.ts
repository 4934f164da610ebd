import type { IdentityClient, TestReplica } from "../identity.ts";

/** The calls that the model knows, over whichever transport. */
export type Calls = Pick<
  IdentityClient,
  "resolveSession" | "rotateSession" | "beginRun" | "writeLifecycle" | "checkFence"
>;

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
