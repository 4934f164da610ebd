import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/** The text of a message, its text parts joined by line breaks; tool results count as text. */
export function messageText(message: Message): string {
  return message.parts
    .flatMap(({ content }) => {
      if (content.case === "text") return [content.value];
      if (content.case === "toolResult") return [content.value.text];
      return [];
    })
    .join("\n");
}
