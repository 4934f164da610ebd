import { type FileHandle, copyFile, open, rename, rm, stat, truncate } from "node:fs/promises";
import { openOwnFile } from "../cluster/owner.ts";
import { LIMITS } from "../limits.ts";

/**
 * The file that the server's standard error goes to. The server writes it itself, so that one which
 * outlives its supervisor keeps a log and never blocks on a pipe that nobody reads.
 */
export type LogFile = {
  path: string;
  /** Open for appending; to be closed once the server has it. */
  handle: FileHandle;
  /** Where this start's lines begin. */
  offset: number;
};

export async function openLog(path: string): Promise<LogFile> {
  if ((await sizeOf(path)) > LIMITS.logFileBytes) await rename(path, `${path}.1`);
  const handle = await openOwnFile(path);
  return { path, handle, offset: (await handle.stat()).size };
}

/** What the server has said since the log was opened, at most `LIMITS.logTailBytes` of its end. */
export async function logTail(log: LogFile): Promise<string> {
  const file = await open(log.path, "r");
  try {
    const { size } = await file.stat();
    const start = Math.max(log.offset, size - LIMITS.logTailBytes);
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(Math.max(0, size - start)),
      position: start,
    });
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}

/** Keeps a running server's log within its bound, until the returned function is called. */
export function boundLog(path: string): () => void {
  const timer = setInterval(() => {
    // Missing one round is no harm: the next one looks again.
    shorten(path).catch(() => undefined);
  }, LIMITS.logCheckMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The server appends to the file that it has open, so this one is copied and emptied, not renamed. */
export async function shorten(
  path: string,
  boundBytes: number = LIMITS.logFileBytes,
): Promise<void> {
  if ((await sizeOf(path)) <= boundBytes) return;
  // One of root's cannot be written over by the user whose folder it is; it can be removed.
  await rm(`${path}.1`, { force: true });
  await copyFile(path, `${path}.1`);
  await truncate(path);
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
