import { setTimeout as sleep } from "node:timers/promises";
import { gate, startWebhookSink, type WebhookPost, type WebhookSink } from "@lanekeeper/testing";
import type { Recorder } from "../history/recorder.ts";

interface Body {
  readonly session: { readonly key: string; readonly generation: number };
  readonly turn_id: string;
  readonly text: string;
}

const HANGS_UP = "a receiver that hangs up";
const ANSWERS_503 = "a receiver that answers 503";
const NEVER_ANSWERS = "a receiver that never answers";
const IS_SLOW = "a slow receiver";

/** What the receiver does to a post, by luck. */
const FAULTS = [
  { kind: HANGS_UP, below: 0.02 },
  { kind: ANSWERS_503, below: 0.04 },
  { kind: NEVER_ANSWERS, below: 0.05 },
  { kind: IS_SLOW, below: 0.09 },
];

/** A receiver that notes what arrives, is slow now and then, and sometimes cuts the sender off. */
export async function startRecordingSink(
  recorder: Recorder,
  random: () => number,
): Promise<WebhookSink> {
  return startWebhookSink((post) => {
    note(recorder, post);
    const luck = random();
    const fault = FAULTS.find(({ below }) => luck < below)?.kind;
    if (fault !== undefined) {
      recorder.saw("fault", { kind: fault, target: post.id, state: "begin" });
      recorder.saw("fault", { kind: fault, target: post.id, state: "end" });
    }
    if (fault === HANGS_UP) return { cut: true };
    if (fault === ANSWERS_503) return { status: 503 };
    const reading = gate();
    if (fault === NEVER_ANSWERS) return { gate: reading };
    const ms = fault === IS_SLOW ? 700 : 5;
    void sleep(ms).then(() => reading.open());
    return { gate: reading };
  });
}

function note(recorder: Recorder, post: WebhookPost): void {
  const { session, turn_id: turnId, text } = post.json as Body;
  const { key, generation } = session;
  recorder.saw("posted", { deliveryId: post.id, key, generation, turnId, text });
}
