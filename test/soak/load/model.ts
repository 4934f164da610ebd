import { randomBytes } from "node:crypto";
import { type ModelServer, startModelServer } from "@lanekeeper/testing";

/** What an answer is made of; with the question about 150 tokens an exchange. */
const ANSWER_CHARS = 400;

/** When the answers were given that somebody else still has to see, by what they begin with. */
export type Answers = Map<string, number>;

/** A model that answers at once, and summarizes in a sentence. */
export async function startTalkingModel(answers: Answers): Promise<ModelServer> {
  const behave = ({ messages }: { messages: readonly { content?: unknown }[] }) => {
    if (String(messages[0]?.content).startsWith("You keep the memory")) {
      return { text: "They talked about this and that." };
    }
    const name = randomBytes(8).toString("hex");
    answers.set(name, performance.now());
    const text = `${name} ${randomBytes(ANSWER_CHARS / 2).toString("hex")}`;
    return { chunks: [text.slice(0, 100), text.slice(100)] };
  };
  return startModelServer(behave, { forgets: true });
}

/** The name that an answer begins with. */
export function nameOf(text: string): string {
  return text.slice(0, 16);
}
