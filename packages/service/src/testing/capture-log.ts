import { createLog, type Log, type LogOptions } from "../telemetry/log.ts";

export interface CapturedLog {
  readonly log: Log;
  /** What was logged so far, parsed. */
  readonly lines: readonly Record<string, unknown>[];
  /** The same as text, as it would reach standard output. */
  readonly text: () => string;
}

/** A real logger whose lines stay in memory. */
export function captureLog(options: Partial<LogOptions> = {}): CapturedLog {
  const lines: Record<string, unknown>[] = [];
  const raw: string[] = [];
  const destination = {
    write(line: string) {
      raw.push(line);
      lines.push(JSON.parse(line));
    },
  };
  const log = createLog({
    service: "test",
    instanceId: "test-1",
    level: "trace",
    keys: "full",
    destination,
    ...options,
  });
  return { log, lines, text: () => raw.join("") };
}
