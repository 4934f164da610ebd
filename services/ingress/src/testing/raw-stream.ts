import { request } from "node:http";
import { HELLO } from "./ask.ts";
import type { TestIngress } from "./test-ingress.ts";

export interface RawStream {
  /** What has come so far. */
  text(): string;
  readonly ended: Promise<void>;
  destroy(): void;
}

/** A stream whose bytes are looked at as they come. */
export function rawStream(lane: TestIngress, { paused = false } = {}): RawStream {
  let text = "";
  const req = request(`${lane.url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${lane.apiKey}`,
      "content-type": "application/json",
      "x-session-key": "kitchen",
    },
  });
  const ended = new Promise<void>((resolve) => {
    req.once("error", () => resolve());
    req.once("response", (res) => {
      res.once("close", resolve);
      res.setEncoding("utf8");
      if (paused) res.pause();
      else res.on("data", (part: string) => (text += part));
    });
  });
  req.end(JSON.stringify({ ...HELLO, stream: true }));
  return { text: () => text, ended, destroy: () => req.destroy() };
}
