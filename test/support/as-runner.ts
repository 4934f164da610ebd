import {
  createDeliveryClient,
  createIdentityClient,
  type DeliveryClient,
  type IdentityClient,
} from "@lanekeeper/client";
import type { TestConstellation } from "@lanekeeper/testing";

/** What the runner asks, asked in its place. */
export interface AsRunner extends Disposable {
  readonly identity: IdentityClient;
  readonly delivery: DeliveryClient;
}

export function asRunner(constellation: TestConstellation): AsRunner {
  const { targets } = constellation;
  const peer = {
    credential: constellation.credential("runner"),
    defaults: { tenant: "default", principal: "test" },
  };
  const identity = createIdentityClient({ ...peer, target: targets["session-identity"] });
  const delivery = createDeliveryClient({ ...peer, target: targets.delivery });
  return {
    identity,
    delivery,
    [Symbol.dispose]: () => {
      identity.$close();
      delivery.$close();
    },
  };
}
