import { request } from "node:http";
import { dialable, type ListenAddress, systemClock } from "@lanekeeper/service";

const POLL_MS = 50;
/** A probe that takes longer is asked again. */
const PROBE_TIMEOUT_MS = 2_000;

/** A service's own answer, or why there is none. */
export type Probe =
  | { readonly ready: true }
  | { readonly ready: false; readonly reasons: readonly string[] };

/** Asks a service's admin port for `/readyz`. Never rejects. */
export function probe(admin: ListenAddress): Promise<Probe> {
  const { host, port } = admin;
  return new Promise((resolve) => {
    const no = (reason: string) => resolve({ ready: false, reasons: [reason] });
    const asked = request(
      { host: dialable(host), port, path: "/readyz", agent: false, timeout: PROBE_TIMEOUT_MS },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          body += part;
        });
        response.on("error", (error) => no(error.message));
        response.on("end", () => resolve(answer(response.statusCode, body)));
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", (error: NodeJS.ErrnoException) => {
      no(error.code === "ECONNREFUSED" ? "not listening yet" : error.message);
    });
    asked.end();
  });
}

/** Asks until the service is ready; rejects with the signal's reason. Tells the latest reasons. */
export async function untilReady(
  admin: ListenAddress,
  signal: AbortSignal,
  tell: (reasons: readonly string[]) => void,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const found = await probe(admin);
    if (found.ready) return;
    tell(found.reasons);
    await systemClock.sleep(POLL_MS, signal);
  }
}

function answer(status: number | undefined, body: string): Probe {
  if (status === 200) return { ready: true };
  try {
    const { reasons } = JSON.parse(body) as { reasons?: unknown };
    if (Array.isArray(reasons)) return { ready: false, reasons: reasons.map(String) };
  } catch {
    // Not our answer; the status says enough.
  }
  return { ready: false, reasons: [`HTTP ${status}`] };
}
