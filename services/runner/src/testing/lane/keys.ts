import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TENANT } from "../requests.ts";
import type { World } from "../world.ts";

/** Whoever decides about keys, as a play of a lane needs it. */
export interface Keys {
  /** Who stands under a key now. */
  ref(sessionKey: string): Promise<SessionRef>;
  reset(sessionKey: string, skipsQueued: boolean): Promise<void>;
  /** All leases run out. */
  expireLeases(): Promise<void>;
}

/** The keys of the stand-in. */
export function keysOf({ identity }: World): Keys {
  return {
    ref: async (key) => identity.ref(TENANT, key),
    reset: async (key, skipsQueued) => void identity.rotate(TENANT, key, { skipsQueued }),
    expireLeases: async () => identity.expireLeases(),
  };
}
