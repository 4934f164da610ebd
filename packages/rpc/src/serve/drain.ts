import type { Server } from "@grpc/grpc-js";
import { draining } from "../errors/constructors.ts";
import type { BuiltinServices } from "./builtin-services.ts";
import type { InFlight } from "./in-flight.ts";
import type { Entry } from "./listen.ts";

/** How a drain went. */
export interface DrainReport {
  /** Calls that had to be cut off because the time was over. */
  readonly cutOff: number;
}

/** Connections that do not close by themselves after their last call get this long, and handlers of calls that were cut off. */
const CLOSE_MS = 1_000;

/**
 * Ends a server so that callers notice as little as may be: health says NOT_SERVING, new calls get
 * DRAINING and go elsewhere, streams are told to end, calls finish. What is left when the time is
 * over is cut off; its handlers have a moment to return before what they lean on is closed.
 */
export async function drainServer(
  { server, entry }: { readonly server: Server; readonly entry: Entry },
  inFlight: InFlight,
  builtins: BuiltinServices,
  timeoutMs: number,
): Promise<DrainReport> {
  builtins.setServing(false);
  inFlight.startDraining();
  await within(inFlight.idle(), timeoutMs);
  const cutOff = inFlight.size;
  inFlight.abortAll(draining());
  builtins.endStreams();
  entry.close();
  const [closed] = await Promise.all([
    within(closeServer(server), CLOSE_MS),
    within(inFlight.idle(), CLOSE_MS),
  ]);
  if (!closed) server.forceShutdown();
  entry.destroy();
  return { cutOff };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.tryShutdown(() => resolve());
  });
}

/** True if the work ended in time. */
export async function within(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const done = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return done;
}
