import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type FilePart,
  FilePartSchema,
  type Message,
  MessageSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { type Origin, OriginSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

/** Messages as they are stored: protobuf, which the transcript's readers are answered in anyway. */
export function messageBytes(message: Message): Uint8Array {
  return toBinary(MessageSchema, message);
}

export function messagesBytes(messages: readonly Message[]): Uint8Array[] {
  return messages.map(messageBytes);
}

export function messageOf(bytes: Uint8Array): Message {
  return fromBinary(MessageSchema, bytes);
}

export function messagesOf(bytes: readonly Uint8Array[]): Message[] {
  return bytes.map(messageOf);
}

export function filesBytes(files: readonly FilePart[]): Uint8Array[] {
  return files.map((file) => toBinary(FilePartSchema, file));
}

export function filesOf(bytes: readonly Uint8Array[]): FilePart[] {
  return bytes.map((file) => fromBinary(FilePartSchema, file));
}

export function originBytes(origin: Origin): Uint8Array {
  return toBinary(OriginSchema, origin);
}

export function originOf(bytes: Uint8Array): Origin {
  return fromBinary(OriginSchema, bytes);
}
