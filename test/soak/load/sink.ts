import { startWebhookSink, type WebhookSink } from "@lanekeeper/testing";
import type { Gathered } from "../samples/gathered.ts";
import { type Answers, nameOf } from "./model.ts";

/** A receiver that measures how long after the model's answer each reply arrives. */
export async function startMeasuringSink(
  answers: Answers,
  lags: Gathered,
): Promise<WebhookSink & { readonly arrived: () => number }> {
  let arrived = 0;
  const sink = await startWebhookSink(({ json }) => {
    const name = nameOf((json as { readonly text: string }).text);
    const answeredMs = answers.get(name);
    // A repeat of what arrived is no lag.
    if (answeredMs !== undefined) lags.add(performance.now() - answeredMs);
    answers.delete(name);
    arrived += 1;
    return {};
  });
  return Object.assign(sink, { arrived: () => arrived });
}
