import { toJson } from "@bufbuild/protobuf";
import { followSessions } from "@lanekeeper/client";
import {
  type WatchSessionsResponse,
  WatchSessionsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { describeError } from "../describe-error.ts";
import { openOperator } from "../operator/open-operator.ts";
import { sessionLine } from "../operator/session-lines.ts";
import type { Output } from "../output.ts";

export interface WatchOptions {
  readonly json?: true;
  readonly agent?: string;
  readonly prefix?: string;
  readonly resumeToken?: string;
}

/**
 * `lanekeeper sessions watch`: sessions as they stand, then each change, until it is interrupted or its
 * reader leaves. With `--json` a message of the feed on each line, whose last `resumeToken` goes on where
 * this one ended. A watch that breaks says so and goes on without a gap.
 */
export async function watchSessions(options: WatchOptions, output: Output): Promise<void> {
  const { streams } = await openOperator();
  const { agent = "", prefix = "", resumeToken = "" } = options;
  const request = { agentId: agent, sessionKeyPrefix: prefix, resumeToken };
  const messages = followSessions(streams.identity, request, {
    signal: output.readerLeft(),
    interrupted: (error) => output.problem(`${describeError(error)}; going on once it is back`),
  });
  for await (const message of messages) show(message, options, output);
}

function show(message: WatchSessionsResponse, { json }: WatchOptions, output: Output): void {
  const { event } = message;
  if (json) return output.line(JSON.stringify(toJson(WatchSessionsResponseSchema, message)));
  if (event.case === "snapshot" || event.case === "changed") output.line(sessionLine(event.value));
  if (event.case === "snapshotEnd") output.line("-- now each change");
  if (event.case !== "merged") return;
  const { sessionKey, survivorSessionKey } = event.value;
  const into = survivorSessionKey || "a key that this credential may not reach";
  output.line(`${sessionKey}  merged into ${into}`);
}
