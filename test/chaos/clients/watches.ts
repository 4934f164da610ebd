import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import type { WatchSessionsRequestSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import type { WatchDoor } from "../history/sights.ts";
import { AGENT, TENANTS } from "../world/tenants.ts";
import type { Doors } from "../world/doors.ts";
import { pick, type Random } from "./random.ts";

/** What is told of sessions, and by delivery of lanes. */
export type WatchMessage = Pick<WatchSessionsResponse, "event" | "lane">;

/** What one follower asks for, and whom. */
export interface Watch {
  readonly name: string;
  readonly door: WatchDoor;
  readonly tenant: string;
  /** Of keys; empty: all. */
  readonly prefix: string;
  /** Whether lanes are told as well. */
  readonly lanes: boolean;
  /** At any replica. An empty token: from a snapshot on. */
  open(random: Random, resumeToken: string, options: WatchOptions): AsyncIterable<WatchMessage>;
}

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** Ends when all that was committed has been told; delivery's watches do not end. */
  readonly stopWhenTold: boolean;
}

/** Each tenant is followed through either service, and one also by what it asks for alone. */
export function watchesOf(doors: Doors): readonly Watch[] {
  const [, other] = TENANTS;
  return [
    ...TENANTS.map((tenant) => identityWatch(doors, tenant)),
    ...TENANTS.map((tenant) => deliveryWatch(doors, tenant, {})),
    deliveryWatch(doors, other, { agentId: AGENT, prefix: `agent:${AGENT}:chat:` }),
  ];
}

function identityWatch({ identity }: Doors, tenant: string): Watch {
  return {
    ...{ name: `watcher of ${tenant}`, door: "session-identity", tenant },
    ...{ prefix: "", lanes: false },
    async *open(random, resumeToken, { signal, stopWhenTold }) {
      const bookmarkInterval = durationFromMs(200);
      const request: MessageInitShape<typeof WatchSessionsRequestSchema> = {
        ...{ resumeToken, stopWhenTold, bookmarkInterval },
      };
      const told = pick(random, identity).watchSessions(request, { tenant, signal });
      for await (const event of told) yield { event };
    },
  };
}

/** With lanes, unless it asks for some keys alone. */
function deliveryWatch(
  { delivery }: Doors,
  tenant: string,
  { agentId = "", prefix = "" }: { readonly agentId?: string; readonly prefix?: string },
): Watch {
  const about = prefix === "" ? "" : `, ${prefix}`;
  const lanes = prefix === "";
  return {
    ...{ name: `watcher of ${tenant} at delivery${about}`, door: "delivery", tenant },
    ...{ prefix, lanes },
    open: (random, resumeToken, { signal }) => {
      const request = { resumeToken, agentId, sessionKeyPrefix: prefix, lanes };
      return pick(random, delivery).watchSessions(request, { tenant, signal });
    },
  };
}
