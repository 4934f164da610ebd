import { create } from "@bufbuild/protobuf";
import {
  type AttachTurnResponse,
  AttachTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";

/**
 * Pieces of text that follow each other, as one under the last number: who resumes after it has all of
 * them. What comes from a model word by word is told word by word; what has gathered meanwhile, or is
 * replayed, costs its reader one message.
 */
export function mergeDeltas(events: readonly AttachTurnResponse[]): AttachTurnResponse[] {
  const merged: AttachTurnResponse[] = [];
  let texts: string[] = [];
  let streamSeq = 0n;
  const flush = (): void => {
    if (texts.length === 0) return;
    const event = { case: "textDelta" as const, value: texts.join("") };
    merged.push(create(AttachTurnResponseSchema, { streamSeq, event }));
    texts = [];
  };
  for (const event of events) {
    if (event.event.case === "textDelta") {
      texts.push(event.event.value);
      streamSeq = event.streamSeq;
      continue;
    }
    flush();
    merged.push(event);
  }
  flush();
  return merged;
}
