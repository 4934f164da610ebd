import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import {
  type EnqueueDeliveryRequest,
  ListDeliveriesResponseSchema,
  ListRoutesResponseSchema,
  RegisterRouteResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { type Route, RouteSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { invalid, LanekeeperError, storeUnavailable } from "@lanekeeper/rpc";
import type { Delivery } from "../deps.ts";

interface ToParent {
  readonly turnId: string;
  readonly text: string;
  readonly parentKey: string;
}
type Init = MessageInitShape<typeof RouteSchema>;

/** delivery's door: takes each request id once. */
export class DeliveryStandIn implements Delivery {
  isDown = false;
  /** Routes that it refuses for good. */
  readonly unknownRoutes = new Set<string>();
  /** First acceptances, in order. */
  readonly taken: {
    readonly requestId: string;
    readonly turnId: string;
    readonly routeId: string;
    readonly text: string;
    readonly parts: EnqueueDeliveryRequest["parts"];
  }[] = [];

  /** Routes to parent sessions, by the key of the child. */
  readonly routes = new Map<string, Route>();
  /** Routes to people, by the key of their session. */
  readonly listed = new Map<string, readonly Init[]>();

  listRoutes: Delivery["listRoutes"] = async ({ sessionKey = "" }) => {
    if (this.isDown) throw storeUnavailable("the stand-in is down");
    const toParent = this.routes.get(sessionKey);
    const others = this.listed.get(sessionKey) ?? [];
    const routes = [...(toParent === undefined ? [] : [toParent]), ...others];
    return create(ListRoutesResponseSchema, { routes });
  };

  /** Called with each delivery that goes to a parent session. */
  onToParent: ((delivery: ToParent) => Promise<void>) | undefined;
  /** Why some of these were not taken; a test that has seen enough leaves them to a runner that is gone. */
  readonly notTaken: unknown[] = [];

  registerRoute: Delivery["registerRoute"] = async ({ sessionKey = "", kind, address }) => {
    if (this.isDown) throw storeUnavailable("the stand-in is down");
    const made = { routeId: randomUUID(), sessionKey, kind, address } as Init;
    const route = this.routes.get(sessionKey) ?? create(RouteSchema, made);
    this.routes.set(sessionKey, route);
    return create(RegisterRouteResponseSchema, { route });
  };

  /** What became of a turn's reply that it took; left out: it is on its way. */
  readonly states = new Map<string, DeliveryState>();

  listDeliveries: Delivery["listDeliveries"] = async ({ turnId = "" }) => {
    if (this.isDown) throw storeUnavailable("the stand-in is down");
    const found = this.taken.filter((one) => one.turnId === turnId);
    const state = this.states.get(turnId) ?? DeliveryState.PENDING;
    const deliveries = found.map(({ routeId }) => ({ turnId, routeId, state }));
    return create(ListDeliveriesResponseSchema, { deliveries });
  };

  /** Hints that it was sent, in order. */
  readonly hints: { readonly turnId: string; readonly routeId: string; readonly phase: number }[] =
    [];
  /** What it does with a hint; by default it takes it. */
  onHint: () => Promise<void> = async () => undefined;

  showProgress: Delivery["showProgress"] = async ({ turnId = "", routeId = "", phase = 0 }) => {
    this.hints.push({ turnId, routeId, phase });
    await this.onHint();
    return { $typeName: "lanekeeper.delivery.v1.ShowProgressResponse" };
  };

  enqueueDelivery: Delivery["enqueueDelivery"] = async (init) => {
    const request = init as EnqueueDeliveryRequest;
    if (this.isDown) throw storeUnavailable("the stand-in is down");
    if (this.unknownRoutes.has(request.routeId)) {
      throw new LanekeeperError("NOT_FOUND", `no route named ${request.routeId}`);
    }
    const { requestId, turnId, routeId } = request;
    if (request.parts.length === 0) throw invalid("parts", "must be 1 to 64");
    if (!this.taken.some((before) => before.requestId === requestId)) {
      const { parts } = request;
      const text = parts.map(({ content }) => String(content?.value ?? "")).join("");
      this.taken.push({ requestId, turnId, routeId, text, parts });
      const route = [...this.routes.values()].find((one) => one.routeId === routeId);
      if (route !== undefined) this.#toParent({ turnId, text, parentKey: route.address });
    }
    return {
      $typeName: "lanekeeper.delivery.v1.EnqueueDeliveryResponse",
      deliveryId: randomUUID(),
      routeSeq: BigInt(this.taken.length),
    };
  };

  #toParent(delivery: ToParent): void {
    this.onToParent?.(delivery).catch((error: unknown) => this.notTaken.push(error));
  }
}
