import { create } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/**
 * Leaves results of tools out, the oldest first, until so many characters are saved or none is left: a turn
 * that calls many tools would else outgrow its context. Each call keeps a result, since providers refuse a
 * conversation that lacks one. The transcript has them whole.
 */
export function leaveOutResults(messages: readonly Message[], chars: number): readonly Message[] {
  let over = chars;
  const shortened = (part: Part): Part => {
    const { content } = part;
    if (over <= 0 || content.case !== "toolResult") return part;
    const { text } = content.value;
    const instead = leftOut(text.length);
    if (instead.length >= text.length) return part;
    over -= text.length - instead.length;
    const value = { ...content.value, text: instead };
    return create(PartSchema, { content: { case: "toolResult", value } });
  };
  return messages.map((message) =>
    message.role === Role.TOOL && over > 0
      ? create(MessageSchema, { ...message, parts: message.parts.map(shortened) })
      : message,
  );
}

function leftOut(chars: number): string {
  return `[${chars} characters of this result are left out: the context holds no more]`;
}
