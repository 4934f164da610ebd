import { create } from "@bufbuild/protobuf";
import { ToolCallSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { storableText } from "../domain/storable-text.ts";
import { LIMITS } from "../limits.ts";
import type { ModelEvent } from "./model.ts";

/**
 * What an endpoint says may be anything: as much of it as can be kept. A turn whose ending no column of the
 * database takes could not end at all.
 */
export function keptEvent(event: ModelEvent): ModelEvent {
  switch (event.type) {
    case "text":
      return { type: "text", text: storableText(event.text) };
    case "tool_call": {
      const { callId, name, argumentsJson } = event.call;
      const call = create(ToolCallSchema, {
        callId: storableText(callId).slice(0, LIMITS.toolNameChars),
        name: storableText(name).slice(0, LIMITS.toolNameChars),
        argumentsJson: storableText(argumentsJson),
      });
      return { type: "tool_call", call };
    }
    case "end":
      return {
        type: "end",
        finishReason: storableText(event.finishReason).slice(0, LIMITS.finishReasonChars),
        inputTokens: keptCount(event.inputTokens),
        outputTokens: keptCount(event.outputTokens),
        model: storableText(event.model).slice(0, LIMITS.modelNameBytes),
      };
  }
}

/** Counts that are none are 0; a bound, since those of many calls are summed up. */
function keptCount(tokens: unknown): number {
  if (typeof tokens !== "number" || !(tokens > 0)) return 0;
  return Math.min(Math.floor(tokens), LIMITS.maxTokensPerCall);
}
