/** What a turn's file may have, as the runner takes it. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** What is asked for. */
export interface Wanted {
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  /** Whether an answer of this Content-Type may be it; left out: of any. */
  readonly isIts?: (contentType: string) => boolean;
  readonly signal: AbortSignal;
}

/**
 * The bytes at an address, or undefined where they cannot be had: not found, too many, too late. What is cut off, or
 * fails at the other side, is asked for once more: who sent the file sends it once. No redirect is followed, since it
 * would take a token along to another host.
 */
export async function fetchBytes(wanted: Wanted): Promise<Uint8Array | undefined> {
  const got = await fetchOnce(wanted);
  if (got !== "failed" || wanted.signal.aborted) return got === "failed" ? undefined : got;
  const again = await fetchOnce(wanted);
  return again === "failed" ? undefined : again;
}

/** Failed: the next time may be better. */
async function fetchOnce(wanted: Wanted): Promise<Uint8Array | "failed" | undefined> {
  const { url, headers = {}, maxBytes, isIts = () => true, signal } = wanted;
  try {
    const answer = await fetch(url, { headers, signal, redirect: "error" });
    const isFound = answer.ok && isIts(answer.headers.get("content-type") ?? "");
    if (isFound && answer.body !== null) return await readUpTo(answer.body, maxBytes);
    await answer.body?.cancel();
    return answer.status >= 500 ? "failed" : undefined;
  } catch {
    // Whatever it was, its text may have the address, which may have a token in it.
    return "failed";
  }
}

/** What has come, or undefined where it is more. */
export async function readUpTo(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
