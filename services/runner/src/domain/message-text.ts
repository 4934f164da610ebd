import { toBinary } from "@bufbuild/protobuf";
import {
  type FilePart,
  type Message,
  MessageSchema,
  type Part,
  Role,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/** The text parts of a message, joined as they follow each other. */
export function textOf(message: Message): string {
  return message.parts
    .map((part) => (part.content.case === "text" ? part.content.value : ""))
    .join("");
}

/** The files of a message. */
export function filesOf(message: Message): FilePart[] {
  return message.parts.flatMap(({ content }) => (content.case === "file" ? [content.value] : []));
}

/** Two messages that say the same: role, parts and sender are equal byte for byte. */
export function sameMessage(a: Message, b: Message): boolean {
  return Buffer.from(toBinary(MessageSchema, a)).equals(toBinary(MessageSchema, b));
}

export function isAssistant(message: Message): boolean {
  return message.role === Role.ASSISTANT;
}

/** What a message takes of a context, in characters; a file counts as `charsPerFile`. */
export function messageChars(message: Message, charsPerFile: number): number {
  return message.parts.reduce((sum, part) => sum + partChars(part, charsPerFile), 0);
}

function partChars({ content }: Part, charsPerFile: number): number {
  switch (content.case) {
    case "text":
      return content.value.length;
    case "toolCall":
      return content.value.name.length + content.value.argumentsJson.length;
    case "toolResult":
      return content.value.text.length;
    case "file":
      return charsPerFile;
    case undefined:
      return 0;
  }
}
