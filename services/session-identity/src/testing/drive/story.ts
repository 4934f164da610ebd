import type { Answer, Call, ShownRun } from "../../model/calls.ts";
import { type Facts, noFacts } from "../../model/facts.ts";
import { step, type Stepped, wait } from "../../model/step.ts";
import type { FencePick, Move } from "./moves.ts";

const KEYS = ["agent:main:one", "agent:main:two"] as const;

function runName(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

/** One tenant's story so far: what the contract knows, and what its callers were given. */
export class Story {
  facts: Facts = noFacts();
  readonly #fences: ShownRun[] = [];
  readonly #calls: Call[] = [];

  /** What a move is here and now; undefined where the story offers nothing to make it of. */
  plan(move: Move): Call | undefined {
    if ("early" in move && !move.early && !this.facts.keys.has(keyName(move.key))) {
      return { do: "resolve", key: keyName(move.key) };
    }
    switch (move.do) {
      case "resolve":
        return { do: "resolve", key: keyName(move.key) };
      case "begin":
        return this.#begin(move);
      case "event":
        return this.#event(move);
      case "rotate":
        return this.#rotate(move);
      case "reply":
        return this.#reply(move);
      case "check": {
        const shown = this.#fence(move.fence);
        return shown && { do: "check_run", shown };
      }
      case "check_reply": {
        const shown = this.#shownReply(move.key, 0, move.age);
        return { do: "check_reply", shown };
      }
      case "again":
        return this.#calls.at(-1 - move.nth);
    }
  }

  /** Takes the call as made, and gives what the contract answers. */
  take(call: Call): Answer {
    const stepped = step(this.facts, call);
    this.settle(call, stepped);
    return stepped.answer;
  }

  /** The same for a step that was found otherwise, such as the order of a race. */
  settle(call: Call, { facts, answer }: Stepped): void {
    this.facts = facts;
    this.#calls.push(call);
    if (answer.refused.length > 0) return;
    const { generation, epoch } = answer.tells;
    if (call.do === "begin") {
      const { key, run } = call;
      this.#fences.push({ key, run, generation: Number(generation), epoch: Number(epoch) });
    }
    if (call.do === "rotate" && typeof call.when === "object" && "owner" in call.when) {
      this.#fences.push({ ...call.when.owner, generation: Number(generation) });
    }
  }

  wait(ms: number): void {
    this.facts = wait(this.facts, ms);
  }

  #begin(move: Extract<Move, { do: "begin" }>): Call {
    const key = keyName(move.key);
    const now = this.#generation(key);
    const required = { none: undefined, now, other: now + 1 }[move.required];
    return {
      ...{ do: "begin", key, run: runName(move.run), person: move.person, required },
      turn: `turn-${move.run}${move.otherTurn ? "-other" : ""}`,
      admitted: move.admitted === "now" ? now : 1,
    };
  }

  #event({ kind, fence, seq, says }: Extract<Move, { do: "event" }>): Call | undefined {
    const shown = this.#fence(fence);
    if (shown === undefined) return undefined;
    if (kind === "ended") {
      return { do: kind, shown, seq: 0, says: says === 0 ? "completed" : "failed" };
    }
    return { do: kind, shown, seq, says: `${kind} ${says}` };
  }

  #rotate(move: Extract<Move, { do: "rotate" }>): Call | undefined {
    const { reason, skip, suppress } = move;
    const common = { do: "rotate", reason, skip, suppress, request: `r${move.request}` } as const;
    const key = keyName(move.key);
    if (move.when === "always") return { ...common, key, when: "always" };
    if (move.when !== "owner") {
      const now = this.#generation(key);
      return { ...common, key, when: { generation: move.when === "now" ? now : now + 1 } };
    }
    const owner = this.#fence(move.fence);
    return owner && { ...common, key: owner.key, when: { owner } };
  }

  #reply({ key, delivery, age, seq, state }: Extract<Move, { do: "reply" }>): Call {
    const shown = this.#shownReply(key, delivery, age);
    return state === "sending"
      ? { do: "sending", shown, seq }
      : { do: "settled", shown, seq, state };
  }

  /** A reply that is known shows what it showed before. */
  #shownReply(number: number, nth: number, age: number) {
    const delivery = `d${nth}`;
    const known = this.facts.replies.get(delivery);
    const key = keyName(number);
    const generation = Math.max(1, this.#generation(key) - age);
    const fresh = { key, generation, turn: "turn", delivery };
    if (known === undefined || age === 2) return fresh;
    return { key: known.key, generation: known.generation, turn: known.turn, delivery };
  }

  #fence({ nth, forged }: FencePick): ShownRun | undefined {
    const { length } = this.#fences;
    const shown = this.#fences[length - 1 - (nth % Math.max(1, length))];
    if (shown === undefined || forged === "no") return shown;
    if (forged === "generation") return { ...shown, generation: shown.generation + 1 };
    if (forged === "epoch") return { ...shown, epoch: shown.epoch + 1 };
    if (forged === "run") return { ...shown, run: runName(99) };
    return { ...shown, key: keyName(shown.key === KEYS[0] ? 1 : 0) };
  }

  #generation(key: string): number {
    return this.facts.keys.get(key)?.generation ?? 1;
  }
}

function keyName(number: number): string {
  return KEYS[number % KEYS.length] ?? KEYS[0];
}
