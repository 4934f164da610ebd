import { type AgentId, type CanonicalKey, joinKey, normalizeAgentId } from "./canonical-key.ts";
import { isKeyRefusal, type KeyRefusal, refuse } from "./refusal.ts";
import { MAX_KEY_BYTES } from "./rule-set.ts";
import { failed, newTrail, passed, type RuleStep, stepsOf, type Trail } from "./steps.ts";
import { byteOffset, characterProblem, lowerAscii, tooLong, toNfc, utf8Bytes } from "./text.ts";

export interface RawKeyInput {
  /** The name as the outside gave it; lone surrogates and all. */
  readonly raw: string;
  /** The agent that the caller asked for (model name, header, request). */
  readonly agent?: AgentId | undefined;
  /** The tenant's default agent, used where neither key nor caller names one. */
  readonly defaultAgent?: AgentId | undefined;
  /** Fill `steps`. Off, `steps` is empty and costs nothing. */
  readonly explain?: boolean | undefined;
}

export type NormalizedKey =
  | {
      readonly ok: true;
      readonly key: CanonicalKey;
      readonly agent: AgentId;
      /** True when the text itself named the agent. */
      readonly qualified: boolean;
      readonly steps: readonly RuleStep[];
    }
  | { readonly ok: false; readonly refusal: KeyRefusal; readonly steps: readonly RuleStep[] };

/** The NFC text of a key, cut where its rest begins. */
interface Parted {
  readonly text: string;
  readonly restAt: number;
  readonly agent: AgentId | undefined;
}

/**
 * Rules 1 to 5: one spelling for a raw key, or a refusal (MALFORMED_KEY, KEY_TOO_LONG,
 * AGENT_MISMATCH, AGENT_REQUIRED). Total, deterministic, and its own output comes back unchanged.
 * Who may use the key is `checkKeyPermission`'s question, which is asked on every call.
 */
export function normalizeRawKey(input: RawKeyInput): NormalizedKey {
  const trail = newTrail(input.explain);
  const read = readKey(input, trail);
  const steps = stepsOf(trail);
  return isKeyRefusal(read) ? { ok: false, refusal: read, steps } : { ok: true, ...read, steps };
}

function readKey(input: RawKeyInput, trail: Trail) {
  const text = readText(input.raw, trail);
  if (typeof text !== "string") return text;
  const parted = splitAgent(text, trail);
  if (isKeyRefusal(parted)) return parted;
  const agent = chooseAgent(parted, input, trail);
  if (typeof agent !== "string") return agent;
  const rest = settleRest(parted, trail);
  if (typeof rest !== "string") return rest;
  const key = joinKey(agent, rest);
  passed(trail, "canonical-form", parted.text.slice(0, parted.restAt) + rest, key);
  if (key.length > MAX_KEY_BYTES / 3 && utf8Bytes(key) > MAX_KEY_BYTES) {
    return failed(trail, "key-length", key, tooLong("the canonical key"));
  }
  passed(trail, "key-length", key, key);
  return { key, agent, qualified: parted.agent !== undefined };
}

/** Rules 1 and 2. Length comes first, so that no later rule works on an unbounded text. */
function readText(raw: string, trail: Trail): string | KeyRefusal {
  if (raw.length > MAX_KEY_BYTES / 3 && utf8Bytes(raw) > MAX_KEY_BYTES) {
    return failed(trail, "raw-length", raw, tooLong("the key"));
  }
  passed(trail, "raw-length", raw, raw);
  const problem = characterProblem(raw);
  if (problem) {
    const message = `the key ${problem.message}`;
    return failed(trail, "characters", raw, { ...problem, message });
  }
  passed(trail, "characters", raw, raw);
  const text = toNfc(raw);
  passed(trail, "nfc", raw, text);
  return text;
}

const QUALIFIED = /^agent:/i;
const DOUBLED = /^(?::|agent:)/i;

/** Rule 3 and the grammar of the rest. */
function splitAgent(text: string, trail: Trail): Parted | KeyRefusal {
  const refused = (message: string, index: number) =>
    failed(trail, "agent-prefix", text, refuse("MALFORMED_KEY", message, byteOffset(text, index)));
  if (!QUALIFIED.test(text)) {
    if (text.startsWith(":")) return refused("the key begins with a colon", 0);
    passed(trail, "agent-prefix", text, text);
    return { text, restAt: 0, agent: undefined };
  }
  const end = text.indexOf(":", 6);
  const agent = normalizeAgentId(text.slice(6, end === -1 ? undefined : end));
  if (agent === undefined) return refused("what follows agent: is no agent id", 6);
  if (end === -1 || end + 1 === text.length) {
    return refused("nothing follows the agent id", text.length);
  }
  const restAt = end + 1;
  if (DOUBLED.test(text.slice(restAt, restAt + 6))) {
    return refused("what follows the agent id begins with a colon or with agent:", restAt);
  }
  const folded = `agent:${agent}:${text.slice(restAt)}`;
  passed(trail, "agent-prefix", text, folded);
  return { text: folded, restAt, agent };
}

/** Rules 3 and 4: the agent that the key names, else the caller's, else the tenant's. */
function chooseAgent(parted: Parted, input: RawKeyInput, trail: Trail): AgentId | KeyRefusal {
  const { text, agent } = parted;
  if (agent !== undefined && input.agent !== undefined && agent !== input.agent) {
    const message = `the key names agent ${agent}, the call asks for ${input.agent}`;
    const values = { agent_id: agent, other_agent_id: input.agent };
    return failed(trail, "agent-choice", text, refuse("AGENT_MISMATCH", message, 6, values));
  }
  const chosen = agent ?? input.agent ?? input.defaultAgent;
  if (chosen === undefined) {
    const message = "neither the key, nor the call, nor the tenant names an agent";
    return failed(trail, "agent-choice", text, refuse("AGENT_REQUIRED", message));
  }
  passed(trail, "agent-choice", text, text);
  return chosen;
}

/** Rule 5: `main` in one case; `unknown` would pool all strangers, `current` is a tool's word. */
function settleRest({ text, restAt }: Parted, trail: Trail): string | KeyRefusal {
  const given = text.slice(restAt);
  const word = given.length <= 7 ? lowerAscii(given) : given;
  if (word === "unknown" || word === "current") {
    const refusal = refuse("MALFORMED_KEY", `${word} names no conversation`, restAt);
    return failed(trail, "rest-words", text, refusal);
  }
  const rest = word === "main" ? word : given;
  passed(trail, "rest-words", text, text.slice(0, restAt) + rest);
  return rest;
}
