import type { BeginAnswer } from "../domain/begin-run.ts";
import type { Fence } from "../domain/records.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import type { RotateAnswer } from "../domain/rotate.ts";
import { beginCommand, rotateCommand } from "./commands.ts";
import { Desk } from "./desk.ts";

/** A desk with a session on it. */
export function newDesk(): Desk {
  const desk = new Desk();
  desk.reserve();
  return desk;
}

/** The answer, which was no refusal. */
export function granted<Answer>(answer: Answer | Refusal): Answer {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.reason}`);
  return answer;
}

/** A refusal's reason, or `accepted`. */
export function reasonOf(answer: unknown): string {
  return isRefusal(answer) ? answer.reason : "accepted";
}

/** A run that was granted the key. */
export function began(
  desk: Desk,
  run: number,
  change: Parameters<typeof beginCommand>[1] = {},
): BeginAnswer {
  return granted(desk.begin(beginCommand(run, { acceptMs: desk.nowMs, ...change })));
}

/** A rotation that was done. */
export function rotated(
  desk: Desk,
  change: Parameters<typeof rotateCommand>[0] = {},
): RotateAnswer {
  return granted(desk.rotate(rotateCommand(change)));
}

/** The owner's fence after its own rotation. */
export function compacted(desk: Desk, fence: Fence): Fence {
  const precondition = { kind: "owner", fence } as const;
  const { fence: next } = rotated(desk, {
    ...{ reason: "compaction", precondition, pendingReplies: "deliver" },
  });
  if (next === undefined) throw new Error("the owner gets a fence");
  return next;
}
