import { startWebhookSink, type WebhookSink } from "@lanekeeper/testing";
import type { Recorder } from "../history/recorder.ts";

interface Body {
  readonly session: { readonly key: string; readonly generation: number };
  readonly turn_id: string;
  readonly text: string;
}

/** A receiver that can be closed: then it takes nothing, and replies wait. */
export interface ClosingSink extends AsyncDisposable {
  readonly url: string;
  isClosed: boolean;
}

export async function startClosingSink(recorder: Recorder): Promise<ClosingSink> {
  const sink: WebhookSink = await startWebhookSink(({ id: deliveryId, json }) => {
    if (closing.isClosed) return { status: 503 };
    const { session, turn_id: turnId, text } = json as Body;
    recorder.saw("posted", { deliveryId, ...session, turnId, text });
    return {};
  });
  const closing = {
    url: sink.url,
    isClosed: false,
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
  return closing;
}
