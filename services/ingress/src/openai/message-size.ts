import type { Message, Part } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/** What messages take of a request to the runner. */
export interface Size {
  readonly count: number;
  /** Never less than protobuf takes. */
  readonly bytes: number;
}

export function fits(size: Size, room: Size): boolean {
  return size.count <= room.count && size.bytes <= room.bytes;
}

export function sizeOf(messages: readonly Message[]): Size {
  const bytes = messages.reduce((sum, message) => sum + messageBytes(message), 0);
  return { count: messages.length, bytes };
}

/** Tags and lengths: of a message 13 bytes at the most, of a part with three texts in it 31. */
const MESSAGE_FRAME_BYTES = 16;
const PART_FRAME_BYTES = 32;

/** Counted without encoding: histories come with every request. */
export function messageBytes({ parts, senderId }: Message): number {
  const frame = MESSAGE_FRAME_BYTES + Buffer.byteLength(senderId);
  return parts.reduce((sum, part) => sum + PART_FRAME_BYTES + partBytes(part), frame);
}

function partBytes({ content }: Part): number {
  switch (content.case) {
    case "text":
      return Buffer.byteLength(content.value);
    case "file": {
      const { source, mediaType, fileName } = content.value;
      return bytesOf(source.value) + Buffer.byteLength(mediaType) + Buffer.byteLength(fileName);
    }
    case "toolCall": {
      const { callId, name, argumentsJson } = content.value;
      return Buffer.byteLength(callId) + Buffer.byteLength(name) + Buffer.byteLength(argumentsJson);
    }
    case "toolResult":
      return Buffer.byteLength(content.value.callId) + Buffer.byteLength(content.value.text);
    case undefined:
      return 0;
  }
}

function bytesOf(value: string | Uint8Array | undefined): number {
  return value === undefined ? 0 : Buffer.byteLength(value);
}
