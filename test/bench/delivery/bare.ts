import { createHmac, randomUUID } from "node:crypto";
import { Pool } from "undici";
import { closedLoop } from "./closed-loop.ts";
import type { Target } from "./replies.ts";
import type { Sizes } from "./sizes.ts";

interface Post {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The same bodies without any durability: `undici`, as many posts at once as delivery makes, over
 * connections that are kept, to the same receiver. Posts a second.
 *
 * `plain`: every body is there before the clock starts, and nothing is signed. `signed`: each is put
 * together and signed as it is posted, as whoever sends such webhooks has to.
 */
export async function postBare(
  origin: string,
  targets: readonly Target[],
  text: string,
  sizes: Sizes,
  kind: "plain" | "signed",
): Promise<number> {
  const total = targets.length * sizes.messagesPerRoute;
  const made = (n: number) => postOf(targets[n % targets.length] as Target, text);
  const posts = kind === "plain" ? Array.from({ length: total }, (_, n) => made(n)) : [];
  const pool = new Pool(origin, { connections: sizes.inFlight });
  const post = async (n: number): Promise<void> => {
    const { path, headers, body } = posts[n] ?? signed(made(n), targets[n % targets.length]);
    const answer = await pool.request({ method: "POST", path, headers, body });
    await answer.body.dump();
  };
  // Opens the connections.
  await closedLoop(sizes.inFlight * 4, sizes.inFlight, post);
  const startedMs = performance.now();
  await closedLoop(total, sizes.inFlight, post);
  const seconds = (performance.now() - startedMs) / 1_000;
  await pool.close();
  return total / seconds;
}

function postOf(target: Target, text: string): Post {
  const webhookId = randomUUID();
  const headers = { "content-type": "application/json", "webhook-id": webhookId };
  return { path: target.path, headers, body: bodyOf(target, webhookId, text) };
}

/** What delivery posts: services/delivery/README.md, "Webhooks". */
export function bodyOf({ session }: Target, deliveryId: string, text: string): string {
  const { sessionKey: key, sessionId: id, generation } = session;
  return JSON.stringify({
    type: "reply",
    delivery_id: deliveryId,
    session: { key, id, generation: Number(generation) },
    turn_id: randomUUID(),
    text,
    parts: [{ type: "text", text, media_type: "text/plain" }],
  });
}

/** https://www.standardwebhooks.com */
function signed({ path, headers, body }: Post, target: Target | undefined): Post {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const key = Buffer.from(target?.signingSecret.replace(/^whsec_/, "") ?? "", "base64");
  const content = `${headers["webhook-id"]}.${timestamp}.${body}`;
  const signature = createHmac("sha256", key).update(content).digest("base64");
  const more = { "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
  return { path, headers: { ...headers, ...more }, body };
}
