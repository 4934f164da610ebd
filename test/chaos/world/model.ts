import { setTimeout as sleep } from "node:timers/promises";
import {
  gate,
  type ModelBehaviour,
  type ModelRequest,
  type ModelServer,
  type ShownMessage,
  startModelServer,
} from "@lanekeeper/testing";
import type { Recorder } from "../history/recorder.ts";
import { chainHash } from "../judges/g07-once-in-transcript.ts";
import { replyOf } from "../judges/nonce.ts";

/** What a turn says that shall send a message into another session: this, a space, its key. */
export const NEST = "NEST";

/**
 * A model that signs what it says with a number of its own and the hash of all that it was shown, so
 * that a transcript proves itself. Asked to nest, it sends to another session first.
 */
export async function startChainModel(recorder: Recorder): Promise<ModelServer> {
  let calls = 0;
  const model = await startModelServer();
  model.always((request) => {
    const nonce = `n${(calls += 1)}`;
    const shown = request.messages.filter(({ role }) => role !== "system").map(lineOf);
    recorder.saw("asked", { nonce, shown });
    const send = wantedSend(request, nonce);
    return answerLater(recorder, nonce, send ?? { text: replyOf(nonce, chainHash(shown)) });
  });
  return model;
}

/** Long enough that a lane has waiting turns, and a fault finds some at work. */
const THINKING_MS = { least: 15, more: 120 };

function answerLater(recorder: Recorder, nonce: string, behaviour: ModelBehaviour): ModelBehaviour {
  const thinking = gate();
  const ms = THINKING_MS.least + Math.random() * THINKING_MS.more;
  void sleep(ms).then(() => {
    recorder.saw("answered", { nonce });
    thinking.open();
  });
  return { ...behaviour, gate: thinking };
}

function lineOf({ role, content }: ShownMessage): string {
  return `${role}: ${textOf(content)}`;
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: { text?: string }) => part.text ?? "").join("");
}

/** A call of sessions_send, where the last word is a person's who asks for one. */
function wantedSend({ messages }: ModelRequest, nonce: string): ModelBehaviour | undefined {
  const last = messages.at(-1);
  const text = textOf(last?.content);
  const [, key, back] = new RegExp(`${NEST} (\\S+) (\\S+)`).exec(text) ?? [];
  if (last?.role !== "user" || key === undefined || back === undefined) return undefined;
  // Who is reached sends back: that would close the cycle, and is refused.
  const message = text.includes("and back") ? `${NEST} ${back} ${key}` : `hello from ${back}`;
  const call = { id: `call-${nonce}`, name: "sessions_send" };
  return { toolCalls: [{ ...call, arguments: { session_key: key, message } }] };
}
