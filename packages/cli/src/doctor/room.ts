import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { DataDir } from "../constellation/folder/data-dir.ts";
import { type Finding, ok, problem } from "./finding.ts";

const MIB = 1024 * 1024;

/**
 * Below it the next minutes of traffic may find none: the database alone writes ahead in files of 16 MiB, a
 * checkpoint's worth of them, and each service keeps a log of up to 20 MB.
 */
const LEAST_ROOM_BYTES = 256 * MIB;

/** The space that one looks at. */
export interface Room {
  /** Blocks that whoever is not root may still write. */
  readonly bavail: number;
  /** Bytes of a block. */
  readonly bsize: number;
}

/** Room beside the data dir: what stands there are the embedded database and the logs. */
export async function lookAtRoom(
  dir: Pick<DataDir, "path">,
  look: (path: string) => Promise<Room> = statfs,
): Promise<Finding[]> {
  const found = await look(dir.path)
    .catch(() => look(dirname(dir.path)))
    .catch(() => undefined);
  if (found === undefined) return [];
  const free = found.bavail * found.bsize;
  const text = `${Math.floor(free / MIB)} MiB are left for ${dir.path}`;
  if (free >= LEAST_ROOM_BYTES) return [ok("room", text)];
  return [
    problem("room", `${text}: make room on that disk, and remove nothing of postgres in there.`),
  ];
}
