import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** Names come without the `lanekeeper_` prefix, units last: `turn_wait_seconds`, `stale_total`. */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** Buckets are upper bounds, in the unit of the name; `LATENCY_SECONDS` without them. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): Histogram<L>;
}

/** From half a millisecond, about one durable write, to half a minute, a slow model's first token. */
export const LATENCY_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** How often the event loop's lag is measured: each time wakes a process that has nothing to do. */
const LAG_EVERY_MS = 50;

/** A registry labelled with the service; it has Node's and the process' metrics too unless told otherwise. */
export function createMetrics(service: string, { ofProcess = true } = {}): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  if (ofProcess) {
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_EVERY_MS });
  }
  const common = <L extends string>(name: string, help: string, labels: readonly L[]) => ({
    name: `lanekeeper_${name}`,
    help,
    labelNames: labels,
    registers: [registry],
  });
  return {
    registry,
    counter: (name, help, labels = []) => new Counter(common(name, help, labels)),
    gauge: (name, help, labels = []) => new Gauge(common(name, help, labels)),
    histogram: (name, help, labels = [], buckets = LATENCY_SECONDS) =>
      new Histogram({ ...common(name, help, labels), buckets: [...buckets] }),
  };
}
