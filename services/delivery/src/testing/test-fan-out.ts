import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { eventually } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { Limits } from "../limits.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { FeedStandIn } from "./feed-stand-in.ts";
import { IdentityStandIn } from "./identity-stand-in.ts";
import { LanesStandIn } from "./lanes-stand-in.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "./test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "./test-schemas.ts";

type Watch = ReturnType<TestDelivery["as"]>["watchSessions"];
type Request = Parameters<Watch>[0];
type Options = Parameters<Watch>[1];

/** Delivery between stand-ins of session-identity's feed and the runner's lanes, made anew for each test of a file. */
export class TestFanOut {
  feed = new FeedStandIn();
  lanes = new LanesStandIn();
  identity = new IdentityStandIn(SECRET);
  /** What ends subscribers, in the order of their coming; run after each test. */
  readonly ends: (() => Promise<unknown>)[] = [];
  #schemas: TestSchemas | undefined;
  #db: DeliveryDatabase | undefined;
  #delivery: TestDelivery | undefined;

  constructor() {
    beforeAll(async () => {
      this.#schemas = await startTestSchemas();
      this.#db = await this.#schemas.open();
    });
    afterAll(() => this.#schemas?.[Symbol.asyncDispose]());
    beforeEach(async () => {
      this.feed = new FeedStandIn();
      this.lanes = new LanesStandIn();
      this.identity = new IdentityStandIn(SECRET);
      this.identity.watch = (request, call) => this.feed.watch(request, call);
      await this.identity.start();
      this.#delivery = await this.start();
    });
    afterEach(async () => {
      for (const end of this.ends.splice(0)) await end();
      await this.delivery[Symbol.asyncDispose]();
      await this.identity[Symbol.asyncDispose]();
    });
  }

  /** The replica at which subscribers are, unless they say otherwise. */
  get delivery(): TestDelivery {
    if (this.#delivery === undefined) throw new Error("delivery starts before each test");
    return this.#delivery;
  }

  /** Another replica; whoever starts it ends it. */
  start(limits: Partial<Limits> = {}): Promise<TestDelivery> {
    if (this.#db === undefined) throw new Error("the database starts before the first test");
    const { identity, lanes } = this;
    return startTestDelivery(this.#db, identity, { limits: { ...QUICK, ...limits }, lanes });
  }

  /** A new replica in the old one's place. */
  async restart(limits: Partial<Limits> = {}): Promise<void> {
    await this.delivery[Symbol.asyncDispose]();
    this.#delivery = await this.start(limits);
  }

  /** A subscriber, read in the background. */
  readonly subscribe = (
    request: Request = {},
    {
      at = this.delivery,
      tenant = "acme",
      ...options
    }: Options & { at?: TestDelivery; tenant?: string } = {},
  ) => {
    const stream = at.as("ingress", tenant).watchSessions(request, options);
    this.ends.push(() => stream.return());
    const messages: WatchSessionsResponse[] = [];
    let failure: unknown;
    const read = async (): Promise<void> => {
      for await (const message of stream) messages.push(message);
    };
    read().catch((error: unknown) => {
      failure = error;
    });
    const told = (): string[] => messages.map(shown).filter((text) => text !== "bookmark");
    return {
      messages,
      told,
      /** Resolves once it was told this last. */
      until: (last: string) =>
        eventually(() => told().at(-1) === last, { what: `${last} of ${told().join()}` }),
      failed: () => eventually(() => failure),
      token: () =>
        messages.findLast(({ event }) => (event?.resumeToken ?? "") !== "")?.event?.resumeToken ??
        "",
    };
  };

  /** The watches by which delivery follows session-identity for all subscribers. */
  followers() {
    return this.identity.watches.filter(({ tenant }) => tenant === "");
  }
}

/** A message in a few words. */
export function shown({ event, lane }: WatchSessionsResponse): string {
  if (lane?.event.case === "snapshotEnd") return "lanes end";
  if (lane?.event.case === "snapshot" || lane?.event.case === "changed") {
    return `lane ${lane.event.case} ${lane.event.value.sessionKey} ${lane.event.value.depth}`;
  }
  const inner = event?.event;
  if (inner?.case === "merged") return `merged ${inner.value.sessionKey}`;
  if (inner?.case === "snapshot" || inner?.case === "changed") {
    return `${inner.case} ${inner.value.ref?.sessionKey} ${inner.value.revision}`;
  }
  return inner?.case ?? "";
}

/** A change of a key of the subscribers' tenant. */
export const own = (key: string) => ({ tenant: "acme", key });
