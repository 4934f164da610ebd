import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { eventually } from "./eventually.ts";
import type { Gate } from "./gate.ts";
import { bodyOf, startStandIn } from "./http-stand-in.ts";

/** One post, as it came. */
export interface WebhookPost {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** `webhook-id`: the same for every attempt of one message. */
  readonly id: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
}

/** How a post is answered; 200 without anything. */
export interface SinkAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The post is recorded at once, the answer waits for this. */
  readonly gate?: Gate;
  /** No answer: the connection is cut. */
  readonly cut?: boolean;
}

type Decide = SinkAnswer | ((post: WebhookPost) => SinkAnswer);

export interface WebhookSink extends AsyncDisposable {
  readonly url: string;
  /** In order of arrival. */
  readonly posts: readonly WebhookPost[];
  always(answer: Decide): void;
  /** For the next post that nothing was said about; repeats line up. */
  next(answer: Decide): void;
  /** The post with this index (from 0), once it has come. */
  post(index: number, timeoutMs?: number): Promise<WebhookPost>;
}

/** A receiver of webhooks at a free port of loopback. */
export async function startWebhookSink(first: Decide = {}): Promise<WebhookSink> {
  const posts: WebhookPost[] = [];
  const queue: Decide[] = [];
  let usual = first;
  const { origin, [Symbol.asyncDispose]: dispose } = await startStandIn(
    async (request, response) => {
      const body = await bodyOf(request);
      const { headers, url: path = "/" } = request;
      const post = { path, headers, body, id: String(headers["webhook-id"]), json: parse(body) };
      posts.push(post);
      const decide = queue.shift() ?? usual;
      const answer = typeof decide === "function" ? decide(post) : decide;
      await answer.gate?.opened;
      if (answer.cut) return void response.destroy();
      response.writeHead(answer.status ?? 200, answer.headers);
      response.end(answer.body ?? "");
    },
  );
  return {
    url: `${origin}/hook`,
    posts,
    always: (answer) => void (usual = answer),
    next: (answer) => void queue.push(answer),
    post: (index, timeoutMs) =>
      eventually(() => posts[index], { timeoutMs, what: `webhook post ${index}` }),
    [Symbol.asyncDispose]: dispose,
  };
}

/**
 * Whether a post is signed with this secret ("whsec_…"), as Standard Webhooks has it; written from the
 * specification, apart from the sender's own library.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function isSignedWith(post: WebhookPost, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const content = `${post.id}.${String(post.headers["webhook-timestamp"])}.${post.body}`;
  const expected = createHmac("sha256", key).update(content).digest();
  const shown = String(post.headers["webhook-signature"]).split(" ");
  return shown.some((one) => {
    const [version, signature = ""] = one.split(",");
    const bytes = Buffer.from(signature, "base64");
    return version === "v1" && bytes.length === expected.length && timingSafeEqual(bytes, expected);
  });
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
