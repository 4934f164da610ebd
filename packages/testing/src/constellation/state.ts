import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** The names of the four services. */
export type ServiceName = "session-identity" | "runner" | "delivery" | "ingress";

/** `run/constellation.json`, as `lanekeeper start` keeps it. */
export interface RunState {
  readonly pid: number;
  readonly url: string;
  readonly ready: boolean;
  readonly postgres?: { readonly pid: number; readonly port: number };
  readonly services: Readonly<
    Record<
      ServiceName,
      {
        readonly pid: number | null;
        readonly restarts: number;
        readonly grpc: string;
        readonly admin: string;
        readonly log: string;
      }
    >
  >;
}

/** Undefined while there is none. */
export async function readRunState(dataDir: string): Promise<RunState | undefined> {
  const file = join(dataDir, "run", "constellation.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as RunState);
}
