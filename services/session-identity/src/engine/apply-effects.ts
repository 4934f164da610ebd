import type { Effects } from "../domain/decision.ts";
import type { BatchWrites } from "../store/batch/write-batch.ts";
import { acceptedRow, type JournalAbout } from "../store/journal/journal-rows.ts";

/** Notes what a decision changes, to be written. */
export function applyEffects(writes: BatchWrites, about: JournalAbout, effects: Effects): void {
  const { tenant } = about;
  const rotated = effects.generations !== undefined && effects.generations.length > 0;
  const told = effects.told === true ? { rotated } : undefined;
  if (effects.state !== undefined) writes.key(effects.state, told);
  for (const run of effects.newRuns ?? []) writes.newRun(tenant, run);
  for (const run of effects.runs ?? []) writes.run(tenant, run);
  for (const event of effects.events ?? []) writes.event(tenant, event);
  for (const reply of effects.newReplies ?? []) writes.newReply(tenant, reply);
  for (const reply of effects.replies ?? []) writes.reply(tenant, reply);
  for (const begun of effects.generations ?? []) writes.generation(tenant, begun);
  for (const draft of effects.journal ?? []) writes.journal(acceptedRow(about, draft));
}
