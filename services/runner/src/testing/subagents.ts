import { createHash } from "node:crypto";
import type { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { textOf } from "../domain/message-text.ts";
import type { ModelRequest } from "../models/model.ts";
import { type Behaviour, end, toolCall } from "./model-double.ts";
import { KEY, user } from "./requests.ts";
import type { Replica, World } from "./world.ts";

/** The text of what a model was told last. */
export function lastSaid({ messages }: ModelRequest): string {
  const content = messages.at(-1)?.parts[0]?.content;
  if (content?.case === "toolResult") return `result ${content.value.text}`;
  return content?.case === "text" ? content.value : "";
}

/** Who is told "spawn …" gives the rest to a subagent; a subagent does as it is told by the test. */
export function parentOf(child: Behaviour, wait: boolean): Behaviour {
  return async function* (request) {
    const said = lastSaid(request);
    if (said.startsWith("spawn ")) {
      yield toolCall("c1", "sessions_spawn", JSON.stringify({ task: said.slice(6), wait }));
      yield end("tool_calls");
    } else if (said.startsWith("task")) {
      yield* child(request);
    } else {
      yield { type: "text", text: `heard: ${said}` };
      yield end();
    }
  };
}

export const answers: Behaviour = async function* () {
  yield { type: "text", text: "42" };
  yield end();
};

export const waitsFor = (opened: Promise<void>): Behaviour =>
  async function* () {
    yield { type: "text", text: "4" };
    await opened;
    yield { type: "text", text: "2" };
    yield end();
  };

/** Delivery hands what goes to parents to this replica, as it does after its own fence. */
export function deliverTo(world: World, replica: Replica) {
  const handed: { readonly turnId: string; readonly disposition: Disposition }[] = [];
  /** Without a text: it was reset away. */
  const submit = (delivery: { turnId: string; text: string | undefined; parentKey: string }) =>
    replica.asDelivery.submitTurn({
      idempotencyKey: `delivery/${delivery.turnId}`,
      fingerprint: createHash("sha256").update(delivery.turnId).digest(),
      target: { case: "session", value: { sessionKey: delivery.parentKey } },
      turnClass: 2,
      messages: delivery.text === undefined ? [] : [user(delivery.text)],
      childTurnId: delivery.turnId,
    });
  world.delivery.onToParent = async (delivery) => {
    const { turnId, disposition } = await submit(delivery);
    handed.push({ turnId, disposition });
  };
  return { handed, submit };
}

export async function turnsOf(replica: Replica, sessionKey: string) {
  const { turns } = await replica.client.listTurns({ sessionKey });
  return turns.toReversed();
}

export async function replyOf(replica: Replica, index: number): Promise<string> {
  const turn = (await turnsOf(replica, KEY))[index];
  const { turn: full } = await replica.client.getTurn({ turnId: turn?.turnId ?? "" });
  return full?.reply === undefined ? "" : textOf(full.reply);
}
