import type { ChannelControl } from "@lanekeeper/rpc";
import { CliError } from "../cli-error.ts";

export interface AwaitService {
  readonly service: string;
  /** Told while nobody answers. */
  readonly tell: (line: string) => void;
  readonly bounds?: Partial<Bounds>;
}

interface Bounds {
  /** How long nobody answers before that is told. */
  readonly firstMs: number;
  /** How often it is told again. */
  readonly againMs: number;
  /** How long in all. */
  readonly withinMs: number;
}

/** A service that runs answers within milliseconds; one that is being started, within a minute. */
const BOUNDS: Bounds = { firstMs: 1_000, againMs: 10_000, withinMs: 60_000 };

/**
 * Waits until a service answers, and says what it waits for.
 * @throws CliError that says what to do, when nobody answers in time
 */
export async function awaitService(
  client: Pick<ChannelControl, "$target" | "$ready">,
  { service, tell, bounds = {} }: AwaitService,
): Promise<void> {
  const { firstMs, againMs, withinMs } = { ...BOUNDS, ...bounds };
  let waitedMs = 0;
  while (waitedMs < withinMs) {
    const nextMs = Math.min(waitedMs === 0 ? firstMs : againMs, withinMs - waitedMs);
    if (await isReady(client, nextMs)) return;
    waitedMs += nextMs;
    if (waitedMs < withinMs) tell(`waiting for ${service}: nothing answers at ${client.$target}`);
  }
  throw new CliError(
    `Nothing answers at ${client.$target}, where ${service} should be: see that it runs ("lanekeeper doctor" ` +
      "tells), then run this again. Nothing was changed.",
  );
}

function isReady(client: Pick<ChannelControl, "$ready">, timeoutMs: number): Promise<boolean> {
  return client.$ready(timeoutMs).then(
    () => true,
    () => false,
  );
}
