import type { History } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** What is said by a tenant's clients carries it, and may be seen by that tenant alone. */
export function canaryOf(tenant: string): string {
  return `canary<${tenant}>`;
}

const CANARY = /canary<([^>]*)>/g;

/** No call of one tenant reads, changes or learns of another's. */
export const tenantsApart: Judge = (history) => {
  const about = new Case(
    "G14",
    "texts with a tenant's canary, and reads of another's that were refused",
  );
  for (const { at, value } of history.seen("asked")) {
    judgeText(about, at, "", "a model's context", value.shown.join("\n"));
  }
  for (const { ask, answer, end } of history.answered("turn")) {
    judgeText(about, end, answer.key, "an answer", answer.reply, ask.tenant);
  }
  for (const { at, value } of history.seen("finalMessage")) {
    judgeText(about, at, value.key, "a transcript", value.text, value.tenant);
  }
  judgePeeks(history, about);
  judgeIds(history, about);
  return about.verdict;
};

function judgeText(
  about: Case,
  at: number,
  key: string,
  where: string,
  text: string,
  own?: string,
) {
  const tenants = new Set([...text.matchAll(CANARY)].map(([, tenant = ""]) => tenant));
  if (tenants.size === 0) return;
  about.count();
  if (own !== undefined) tenants.add(own);
  if (tenants.size > 1)
    about.find(key, at, `${where} holds what ${[...tenants].join(" and ")} said`);
}

function judgePeeks(history: History, about: Case): void {
  for (const { ask, outcome, end, answer } of history.calls("peek")) {
    if (outcome === "fail") about.count();
    if (outcome !== "ok") continue;
    about.find(answer?.key ?? "", end, `${ask.tenant} read a session of ${ask.owner}`);
  }
}

/** A session id belongs to one tenant. */
function judgeIds(history: History, about: Case): void {
  const owner = new Map<string, string>();
  for (const { ask, answer, end } of history.answered("resolve")) {
    const known = owner.get(answer.sessionId) ?? ask.tenant;
    owner.set(answer.sessionId, known);
    if (known !== ask.tenant) {
      about.find(answer.key, end, `${answer.sessionId} was told to ${known} and to ${ask.tenant}`);
    }
  }
}
