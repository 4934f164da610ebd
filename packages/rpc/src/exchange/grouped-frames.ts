import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { asBuffer } from "../codec.ts";
import type { GroupFields } from "./exchange-shape.ts";

/**
 * A message of more frames costs more to begin than to carry on: what a call costs the transport is
 * divided by the frames of a message. Far below the bound of a message, so that one frame more never
 * matters; a frame above it goes alone.
 */
export const MAX_GROUP_BYTES = 64 * 1024;

/** Frames that go together, within the bound and in their order. */
export function groupsOf(frames: readonly Buffer[]): Buffer[][] {
  const groups: Buffer[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const frame of frames) {
    bytes += frame.length;
    if (bytes > MAX_GROUP_BYTES) {
      groups.push([]);
      bytes = frame.length;
    }
    groups.at(-1)?.push(frame);
  }
  return groups;
}

/** One message: the first frame, with the others in its `more`. */
export function grouped([first, ...others]: readonly Buffer[], { more }: GroupFields): Buffer {
  if (first === undefined) throw new Error("a group has at least one frame");
  if (others.length === 0) return first;
  const writer = new BinaryWriter().raw(first);
  for (const frame of others) writer.tag(more, WireType.LengthDelimited).bytes(frame);
  return asBuffer(writer.finish());
}

/** The frame, which also says that its sender reads `more`. */
export function readingMore(frame: Buffer, { readsMore }: GroupFields): Buffer {
  return asBuffer(
    new BinaryWriter().raw(frame).tag(readsMore, WireType.Varint).bool(true).finish(),
  );
}

/** Once all that is under way now has been done, and before anything that comes from outside. */
export function endOfTick(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
