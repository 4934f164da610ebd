export { type CapturedLog, captureLog } from "./capture-log.ts";
export { ManualClock } from "./manual-clock.ts";
export { recordSpans, type SpanRecorder } from "./record-spans.ts";
export { sequentialIds } from "./sequential-ids.ts";
export { testContext, testSettings } from "./test-context.ts";
