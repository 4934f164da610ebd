import { setTimeout as sleep } from "node:timers/promises";
import { gate, startWebhookSink, type WebhookPost, type WebhookSink } from "@lanekeeper/testing";
import type { Recorder } from "../history/recorder.ts";

interface Body {
  readonly session: { readonly key: string; readonly generation: number };
  readonly turn_id: string;
  readonly text: string;
}

/** A receiver that notes what arrives, is slow now and then, and sometimes cuts the sender off. */
export async function startRecordingSink(
  recorder: Recorder,
  random: () => number,
): Promise<WebhookSink> {
  return startWebhookSink((post) => {
    note(recorder, post);
    const luck = random();
    if (luck < 0.02) return { cut: true };
    if (luck < 0.04) return { status: 503 };
    const reading = gate();
    const ms = luck < 0.08 ? 700 : 5;
    void sleep(ms).then(() => reading.open());
    return { gate: reading };
  });
}

function note(recorder: Recorder, post: WebhookPost): void {
  const { session, turn_id: turnId, text } = post.json as Body;
  const { key, generation } = session;
  recorder.saw("posted", { deliveryId: post.id, key, generation, turnId, text });
}
