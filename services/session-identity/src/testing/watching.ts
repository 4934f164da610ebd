import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import type { Db } from "../store/db.ts";
import { atEnd, begin, fenceOf, newTenant } from "./calls.ts";
import { type IdentityClient, startReplica } from "./identity.ts";
import { byRun, ended } from "./pair.ts";

/** A watch that is read one message at a time, and ended with the test. */
export function watching(
  client: IdentityClient,
  request: Parameters<IdentityClient["watchSessions"]>[0],
  options: Parameters<IdentityClient["watchSessions"]>[1] = {},
) {
  const controller = new AbortController();
  atEnd(() => controller.abort());
  const stream = client.watchSessions(request, { ...options, signal: controller.signal });
  const messages = stream[Symbol.asyncIterator]();
  const next = async (): Promise<WatchSessionsResponse> => {
    const { value, done } = await messages.next();
    if (done === true) throw new Error("the watch ended");
    return value;
  };
  return { next, end: () => controller.abort() };
}

/** A message in a word, a key, its generation and its revision. */
export function seen({ event }: WatchSessionsResponse): string {
  if (event.case === "changed" || event.case === "snapshot") {
    const { ref, revision } = event.value;
    return `${event.case} ${ref?.sessionKey} g${ref?.generation} r${revision}`;
  }
  return event.case ?? "";
}

/** A replica with a tenant of its own, whose sessions are made, run and reset by name. */
export async function watchedTenant(db: Db) {
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const client = replica.client("ingress", { tenant });
  const resolve = (value: string) => client.resolveSession({ name: { case: "rawKey", value } });
  const reset = (key: string, requestId: string) =>
    client.rotateSession({
      requestId,
      sessionKey: `agent:main:${key}`,
      reason: RotationReason.RESET,
    });
  const runner = replica.client("runner", { tenant });
  const run = async (key: string): Promise<void> => {
    const fence = fenceOf(await runner.beginRun(begin(`agent:main:${key}`)));
    await runner.writeLifecycle({ ...byRun(fence), event: ended });
  };
  return { replica, tenant, client, resolve, reset, run };
}
