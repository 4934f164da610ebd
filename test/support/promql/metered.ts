import { countCalls, createMetrics, type Metrics } from "@lanekeeper/service";
import { deliveryMetrics } from "../../../services/delivery/src/metrics.ts";
import { ingressMetrics } from "../../../services/ingress/src/metrics.ts";
import { runnerMetrics } from "../../../services/runner/src/metrics.ts";
import { createIdentityMetrics } from "../../../services/session-identity/src/metrics.ts";
import { Scrapes } from "./scrapes.ts";

const SERVICES = ["ingress", "session-identity", "runner", "delivery"] as const;

/** The metrics of each service, as its own code makes them, and the Prometheus that scrapes them. */
export class Metered {
  readonly scrapes = new Scrapes();
  readonly ingress;
  readonly call;
  readonly identity;
  readonly runner;
  readonly delivery;
  /** Whose `/metrics` does not answer. */
  readonly down = new Set<string>();
  /** As `nodejs_eventloop_lag_p99_seconds` of every process tells it. */
  loopLagSeconds = 0.02;
  readonly #metrics: Readonly<Record<(typeof SERVICES)[number], Metrics>>;

  constructor() {
    const made = SERVICES.map((name) => [name, createMetrics(name, { ofProcess: false })]);
    this.#metrics = Object.fromEntries(made) as Record<(typeof SERVICES)[number], Metrics>;
    this.ingress = ingressMetrics(this.#metrics.ingress);
    this.call = countCalls(this.#metrics.ingress);
    this.identity = createIdentityMetrics(this.#metrics["session-identity"]);
    this.runner = runnerMetrics(this.#metrics.runner);
    this.delivery = deliveryMetrics(this.#metrics.delivery);
  }

  async scrape(atSeconds: number): Promise<void> {
    for (const instance of SERVICES) {
      const target = { job: `lanekeeper-${instance}`, instance };
      const isUp = !this.down.has(instance);
      this.scrapes.note({ ...target, __name__: "up" }, atSeconds, isUp ? 1 : 0);
      if (!isUp) continue;
      this.scrapes.add(await this.#metrics[instance].registry.metrics(), atSeconds, target);
      const name = { __name__: "nodejs_eventloop_lag_p99_seconds" };
      this.scrapes.note({ ...target, ...name }, atSeconds, this.loopLagSeconds);
    }
  }
}
