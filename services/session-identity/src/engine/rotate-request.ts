import type { ActiveRun } from "../domain/key-state.ts";
import type { Fence, Rotation } from "../domain/records.ts";
import { type Refusal, refuse } from "../domain/refusal.ts";
import type { RotateAnswer } from "../domain/rotate.ts";
import type { Found } from "../store/batch/look-up.ts";

/** The answer kept with a request id, as JSON: int64 are text with an `n` behind. */
export function toAnswerJson(answer: unknown): unknown {
  return JSON.parse(
    JSON.stringify(answer, (_name, value: unknown) =>
      typeof value === "bigint" ? { int64: String(value) } : value,
    ),
  );
}

function fromAnswerJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_name, part: unknown) =>
    isInt64(part) ? BigInt(part.int64) : part,
  );
}

function isInt64(part: unknown): part is { readonly int64: string } {
  return typeof part === "object" && part !== null && "int64" in part;
}

/** The recorded answer of a repeat, a refusal for other content, undefined for a new request id. */
export function recordedAnswer<Answer>(
  requestId: string,
  fingerprint: string,
  recorded: Found["request"],
): Answer | Refusal | undefined {
  if (recorded === undefined) return undefined;
  if (recorded.fingerprint === fingerprint) return fromAnswerJson(recorded.answer) as Answer;
  return refuse("IDEMPOTENCY_MISMATCH", "this request id was used with other content", {
    request_id: requestId,
  });
}

/** JSON leaves out what is undefined; the type has it back. */
export function rotateAnswerOf(
  recorded: Partial<RotateAnswer> & { readonly rotation: Rotation },
): RotateAnswer {
  const fence: Fence | undefined = recorded.fence;
  const endedRun: ActiveRun | undefined = recorded.endedRun;
  const { parentSessionId } = recorded.rotation;
  return { rotation: { ...recorded.rotation, parentSessionId }, fence, endedRun };
}
