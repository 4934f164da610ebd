import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type WatchLanesResponse,
  WatchLanesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { storeUnavailable } from "@lanekeeper/rpc";

type Message = MessageInitShape<typeof WatchLanesResponseSchema>;

/** The runner's watch of lanes, as far as delivery follows it. */
export class LanesStandIn {
  readonly #depths = new Map<
    string,
    { readonly tenant: string; readonly sessionKey: string; depth: number }
  >();
  readonly #watches = new Set<{ readonly queue: Message[]; wake(): void }>();
  isAway = false;
  calls = 0;

  set(tenant: string, sessionKey: string, depth: number): void {
    const lane = { tenant, sessionKey, depth };
    if (depth > 0) this.#depths.set(`${tenant} ${sessionKey}`, lane);
    else this.#depths.delete(`${tenant} ${sessionKey}`);
    for (const watch of this.#watches) {
      watch.queue.push({ tenant, event: { case: "changed", value: { sessionKey, depth } } });
      watch.wake();
    }
  }

  /** Ends every watch, as a restart does. */
  cut(): void {
    for (const watch of this.#watches) watch.wake();
    this.#watches.clear();
  }

  async *watchLanes(
    _: object,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<WatchLanesResponse> {
    this.calls += 1;
    if (this.isAway) throw storeUnavailable("away");
    let wake = (): void => undefined;
    const watch = { queue: [] as Message[], wake: () => wake() };
    this.#watches.add(watch);
    signal.addEventListener("abort", () => wake(), { once: true });
    for (const { tenant, ...value } of this.#depths.values()) {
      yield create(WatchLanesResponseSchema, { tenant, event: { case: "snapshot", value } });
    }
    yield create(WatchLanesResponseSchema, { event: { case: "snapshotEnd", value: {} } });
    while (!signal.aborted) {
      const next = watch.queue.shift();
      if (next !== undefined) yield create(WatchLanesResponseSchema, next);
      else if (!this.#watches.has(watch)) throw storeUnavailable("the runner went away");
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
}
