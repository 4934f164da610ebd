import { create } from "@bufbuild/protobuf";
import {
  type FilePart,
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  Role,
  type ToolCall,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { assembleContext, callsOf, charsOf, resultIds } from "../domain/context.ts";
import type { Ending } from "../domain/ending.ts";
import { textOf } from "../domain/message-text.ts";
import { promptOf } from "../domain/prompt.ts";
import { bytesOf } from "../domain/reply-files.ts";
import { gapBetween } from "../domain/steps-apart.ts";
import { LIMITS } from "../limits.ts";
import { ModelError } from "../models/model-error.ts";
import type { Tool } from "../tools/tool.ts";
import { budgetOf } from "./budget.ts";
import { callModel, isClients } from "./call-model.ts";
import type { AnswerJob } from "./answer-job.ts";

/**
 * Asks the model, runs the agent's own tools and asks again, until there is an answer, or a call of a
 * tool that the client runs. What earlier runs of the turn did with tools is not done again. After an
 * answer that came too late for a message handed to the turn, `next` goes on from where it was.
 */
export class Answering {
  readonly #job: AnswerJob;
  readonly #said: Said;
  #modelCalls = 0;
  #isHandedOver = false;

  constructor(job: AnswerJob) {
    this.#job = job;
    this.#said = new Said(job);
  }

  /**
   * The model is asked no more in this run, which has done so often enough, or has handed calls to the client:
   * what is said to the turn now is no part of its answer.
   */
  get isSpent(): boolean {
    return this.#isHandedOver || this.#modelCalls >= LIMITS.modelCallsPerRun;
  }

  /** @throws ModelError, or the signal's reason. */
  async next(): Promise<Ending> {
    const said = this.#said;
    if (this.#modelCalls === 0) {
      const ending = await this.#resume();
      if (ending !== undefined) return ending;
    }
    while (!this.isSpent) {
      said.adopt(await this.#steers(this.#modelCalls === 0 ? "first" : "later"));
      const ending = await this.#ask();
      if (ending !== undefined) return ending;
    }
    throw new ModelError(
      "MODEL_FAILED",
      `the model was asked ${LIMITS.modelCallsPerRun} times and is not done`,
    );
  }

  async #steers(when: "first" | "later"): Promise<Message[]> {
    const { steers, steps } = this.#job;
    return (await steers(when, steps.lastStep)).flatMap(({ messages }) => messages);
  }

  /** An ending where an earlier run died over its own tools' calls, beside which stood some of the client's. */
  async #resume(): Promise<Ending | undefined> {
    const said = this.#said;
    const isClient = (name: string): boolean => isClients(this.#job, name);
    const steered = await this.#job.steers("read", 0);
    const resumed = await this.#job.steps.resume(said.ownTools, isClient, steered);
    said.adopt(resumed);
    const lastRound = resumed.slice(resumed.findLastIndex(({ role }) => role === Role.ASSISTANT));
    const answered = new Set(lastRound.flatMap(resultIds));
    const clientCalls = lastRound
      .flatMap(callsOf)
      .filter(({ name, callId }) => isClient(name) && !answered.has(callId));
    for (const value of clientCalls) this.#job.stream.emit({ case: "toolCall", value });
    return this.#handOver(clientCalls);
  }

  #handOver(clientCalls: readonly ToolCall[]): Ending | undefined {
    this.#isHandedOver = clientCalls.length > 0;
    return this.#isHandedOver ? this.#said.ending("tool_calls", clientCalls) : undefined;
  }

  async #ask(): Promise<Ending | undefined> {
    const said = this.#said;
    this.#modelCalls += 1;
    const shown = contextOf(this.#job, said.produced);
    this.#job.contextUse.usedTokens = Math.ceil(charsOf(shown, LIMITS) / LIMITS.charsPerToken);
    const { model, tools, turn, signal } = this.#job;
    const asked = { model, tools, turn, stream: said.stepApart(), signal };
    const reply = await callModel(asked, shown, said.bytes);
    said.add(reply.message);
    said.count(reply);
    const clientCalls = reply.calls.filter(({ name }) => isClients(this.#job, name));
    const ownCalls = reply.calls.filter(({ name }) => !isClients(this.#job, name));
    said.adopt(await this.#job.steps.run(reply.message, ownCalls, said.ownTools));
    const handedOver = this.#handOver(clientCalls);
    if (handedOver !== undefined || ownCalls.length > 0) return handedOver;
    return said.ending(reply.finishReason, []);
  }
}

function contextOf(
  { turn, agent, history, summary, pinned }: AnswerJob,
  produced: readonly Message[],
): Message[] {
  const systemPrompt = promptOf(agent, turn);
  const parts = { systemPrompt, pinned, summary, history, input: turn.input, produced };
  return assembleContext(parts, budgetOf(agent));
}

/** What a run has said so far. */
class Said {
  readonly ownTools: ReadonlyMap<string, Tool>;
  readonly produced: Message[] = [];
  /** What who asked is told beside it, by how much was produced before: no words of the agent's. */
  readonly #notes = new Map<number, string>();
  readonly #job: AnswerJob;
  #inputTokens: number;
  #outputTokens: number;
  #model: string;

  constructor(job: AnswerJob) {
    this.#job = job;
    this.#model = job.model.name;
    this.#inputTokens = job.spent.inputTokens;
    this.#outputTokens = job.spent.outputTokens;
    this.ownTools = new Map(job.tools.map((tool) => [tool.spec.name, tool]));
  }

  /** What the answer has so far. */
  get bytes(): number {
    const { files } = this.#job.steps;
    return files.reduce(
      (sum, file) => sum + bytesOf(file),
      Buffer.byteLength(textOfAll(this.produced)),
    );
  }

  add(message: Message): void {
    if (message.parts.length > 0) this.produced.push(message);
  }

  adopt(messages: readonly Message[]): void {
    this.produced.push(...messages);
  }

  /** The stream of a further step, whose first words stand apart from what was said before. */
  stepApart(): Pick<AnswerJob["stream"], "emit"> {
    const { stream } = this.#job;
    let before = textOfAll(this.produced, this.#notes);
    return {
      emit: (event) => {
        if (event.case !== "textDelta") return stream.emit(event);
        const value = gapBetween(before, event.value) + event.value;
        before = "";
        stream.emit({ case: "textDelta", value });
      },
    };
  }

  count(reply: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly model: string;
  }): void {
    this.#inputTokens += reply.inputTokens;
    this.#outputTokens += reply.outputTokens;
    if (reply.model !== "") this.#model = reply.model;
  }

  ending(finishReason: string, clientCalls: readonly ToolCall[]): Ending {
    this.#tellLeftOut();
    const text = textOfAll(this.produced, this.#notes);
    return {
      state: "COMPLETED",
      errorReason: "",
      errorMessage: "",
      reply: wholeAnswer(text, this.#job.steps.files, clientCalls),
      produced: this.produced,
      keepsInput: true,
      seeds: this.#job.seeds,
      inputTokens: BigInt(this.#inputTokens),
      outputTokens: BigInt(this.#outputTokens),
      finishReason,
      model: this.#model,
    };
  }

  /** Where the answer goes on after all, the note stays where callers have read it. */
  #tellLeftOut(): void {
    const { steps, stream } = this.#job;
    const note = steps.tellLeftOut();
    if (note === "") return;
    const said = textOfAll(this.produced, this.#notes);
    const told = said === "" ? note : `\n\n${note}`;
    this.#notes.set(this.produced.length, told);
    stream.emit({ case: "textDelta", value: told });
  }
}

/**
 * The answer: all that its callers were told, the files that the agent's tools made, and the calls that the
 * client is to run.
 */
function wholeAnswer(
  text: string,
  files: readonly FilePart[],
  clientCalls: readonly ToolCall[],
): Message {
  const parts: Part[] = [
    ...files.map((value) => create(PartSchema, { content: { case: "file", value } })),
    ...clientCalls.map((value) => create(PartSchema, { content: { case: "toolCall", value } })),
  ];
  const textPart = create(PartSchema, { content: { case: "text", value: text } });
  const all = text === "" && parts.length > 0 ? parts : [textPart, ...parts];
  return create(MessageSchema, { role: Role.ASSISTANT, parts: all });
}

/** All that the agent said, step by step, with notes behind so many messages. */
function textOfAll(
  produced: readonly Message[],
  notes: ReadonlyMap<number, string> = new Map(),
): string {
  return produced.reduce((before, message, index) => {
    const said = message.role === Role.ASSISTANT ? textOf(message) : "";
    return before + gapBetween(before, said) + said + (notes.get(index + 1) ?? "");
  }, "");
}
