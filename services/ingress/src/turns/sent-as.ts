import { createHash, type Hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { SingleHeaderName, SingleHeaders } from "../http/single-headers.ts";

/** What of the headers names the session or the agent. */
const NAMING: readonly SingleHeaderName[] = [
  "x-agent-id",
  "x-conversation-id",
  "x-openclaw-agent",
  "x-openclaw-agent-id",
  "x-openclaw-session-key",
  "x-openwebui-chat-id",
  "x-session-key",
  "x-session-key-encoded",
];

/**
 * The digest of a request as it was sent, by which a retry of it is known: also of one whose body nobody has read,
 * such as one that was over its limit.
 */
export function sentAs(route: string, headers: SingleHeaders, body: Uint8Array): string {
  return begun(route, headers).update(body).digest("base64");
}

/** The same of a body that is still coming and is thrown away. Undefined: the client left, or it is too large. */
export function sentAsItComes(
  route: string,
  headers: SingleHeaders,
  req: IncomingMessage,
  maxBytes: number,
): Promise<string | undefined> {
  const hash = begun(route, headers);
  let bytes = 0;
  return new Promise((resolve) => {
    req.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) hash.update(chunk);
    });
    req.once("end", () => resolve(bytes <= maxBytes ? hash.digest("base64") : undefined));
    req.once("close", () => resolve(undefined));
  });
}

function begun(route: string, headers: SingleHeaders): Hash {
  const named = [route, ...NAMING.map((name) => headers.get(name) ?? null)];
  return createHash("sha256").update(`${JSON.stringify(named)}\n`);
}
