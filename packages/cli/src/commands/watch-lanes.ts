import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import {
  type LaneState,
  type WatchLanesResponse,
  WatchLanesResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { hasReason, isRetryable } from "@lanekeeper/rpc";
import { describeError } from "../describe-error.ts";
import { openOperator } from "../operator/open-operator.ts";
import type { Output } from "../output.ts";

export interface WatchOptions {
  readonly json?: true;
  readonly agent?: string;
  readonly prefix?: string;
}

/** A runner that is restarted is back within seconds. */
const AGAIN_MS = 1_000;

/**
 * `lanekeeper lane watch`: lanes as they stand, then each change, until it is interrupted or its reader
 * leaves. With `--json` a message of the watch on each line. A watch that breaks begins anew, with a snapshot.
 */
export async function watchLanes(options: WatchOptions, output: Output): Promise<void> {
  const { streams } = await openOperator();
  const request = { agentId: options.agent ?? "", sessionKeyPrefix: options.prefix ?? "" };
  const left = output.readerLeft();
  while (!left.aborted) {
    try {
      for await (const message of streams.runner.watchLanes(request, { signal: left })) {
        show(message, options, output);
      }
    } catch (error) {
      if (left.aborted) return;
      if (!isRetryable(error) && !hasReason(error, "SLOW_CONSUMER")) throw error;
      output.problem(`${describeError(error)}; beginning anew`);
    }
    await sleep(AGAIN_MS, undefined, { signal: left }).catch(() => undefined);
  }
}

function show(message: WatchLanesResponse, { json }: WatchOptions, output: Output): void {
  const { event } = message;
  if (json) return output.line(JSON.stringify(toJson(WatchLanesResponseSchema, message)));
  if (event.case === "snapshot" || event.case === "changed") output.line(laneLine(event.value));
  if (event.case === "snapshotEnd") output.line("-- now each change");
}

/** One line for people. */
export function laneLine({ sessionKey, depth, holder }: LaneState): string {
  const waiting = depth === 1 ? "1 turn waits" : `${depth} turns wait`;
  if (holder === undefined) return `${sessionKey}  ${depth === 0 ? "no work" : waiting}`;
  const age = holder.heartbeatAge;
  const beat = age === undefined ? "" : `, heartbeat ${Math.round(durationMs(age))} ms ago`;
  return `${sessionKey}  ${waiting}, ${holder.turnId} runs${beat}`;
}
