import { create } from "@bufbuild/protobuf";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import {
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  Role,
  type ToolCall,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { assembleContext } from "../domain/context.ts";
import type { Ending } from "../domain/ending.ts";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { ModelError } from "../models/model-error.ts";
import type { Model } from "../models/model.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { Tool } from "../tools/tool.ts";
import { callModel } from "./call-model.ts";
import type { ToolSteps } from "./tool-steps.ts";
import type { TurnStream } from "./turn-stream.ts";

/** All that answering a turn needs. */
export interface AnswerJob {
  readonly turn: StoredTurn;
  readonly agent: AgentConfig;
  readonly model: Model;
  readonly tools: readonly Tool[];
  /** What was said before the turn. */
  readonly history: readonly Message[];
  readonly seeds: boolean;
  readonly steps: ToolSteps;
  readonly stream: TurnStream;
  readonly signal: AbortSignal;
}

/**
 * Asks the model, runs the agent's own tools and asks again, until there is an answer, or a call of a
 * tool that the client runs. What earlier runs of the turn did with tools is not done again.
 * @throws ModelError, or the signal's reason.
 */
export async function answer(job: AnswerJob): Promise<Ending> {
  const said = new Said(job);
  said.adopt(await job.steps.resume(said.ownTools));
  for (let calls = 1; calls <= LIMITS.modelCallsPerRun; calls++) {
    const reply = await callModel(job, contextOf(job, said.produced));
    said.add(reply.message);
    said.count(reply);
    const clientCalls = reply.calls.filter((call) => !said.ownTools.has(call.name));
    const ownCalls = reply.calls.filter((call) => said.ownTools.has(call.name));
    said.adopt(await job.steps.run(reply.message, ownCalls, said.ownTools));
    if (clientCalls.length > 0) return said.ending("tool_calls", clientCalls);
    if (ownCalls.length === 0) return said.ending(reply.finishReason, []);
  }
  throw new ModelError(
    "MODEL_FAILED",
    `the agent called tools ${LIMITS.modelCallsPerRun} times without an answer`,
  );
}

function contextOf({ turn, agent, history }: AnswerJob, produced: readonly Message[]): Message[] {
  const tokens = agent.contextTokenBudget || LIMITS.contextTokenBudget;
  const budget = {
    tokens,
    charsPerToken: LIMITS.charsPerToken,
    charsPerFile: LIMITS.charsPerFile,
  };
  const input = [...turn.input, ...produced];
  return assembleContext({ systemPrompt: agent.systemPrompt, history, input }, budget);
}

/** What a run has said so far. */
class Said {
  readonly ownTools: ReadonlyMap<string, Tool>;
  readonly produced: Message[] = [];
  readonly #job: AnswerJob;
  #inputTokens = 0;
  #outputTokens = 0;
  #model: string;

  constructor(job: AnswerJob) {
    this.#job = job;
    this.#model = job.model.name;
    this.ownTools = new Map(job.tools.map((tool) => [tool.spec.name, tool]));
  }

  add(message: Message): void {
    if (message.parts.length > 0) this.produced.push(message);
  }

  adopt(messages: readonly Message[]): void {
    this.produced.push(...messages);
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
    return {
      state: "COMPLETED",
      errorReason: "",
      errorMessage: "",
      reply: wholeAnswer(this.produced, clientCalls),
      produced: this.produced,
      keepsInput: true,
      seeds: this.#job.seeds,
      inputTokens: BigInt(this.#inputTokens),
      outputTokens: BigInt(this.#outputTokens),
      finishReason,
      model: this.#model,
    };
  }
}

/** The answer as its callers were told it: all that the agent said, and the calls that the client is to run. */
function wholeAnswer(produced: readonly Message[], clientCalls: readonly ToolCall[]): Message {
  const text = produced
    .filter(({ role }) => role === Role.ASSISTANT)
    .map(textOf)
    .join("");
  const parts: Part[] = clientCalls.map((value) =>
    create(PartSchema, { content: { case: "toolCall", value } }),
  );
  const textPart = create(PartSchema, { content: { case: "text", value: text } });
  const all = text === "" && parts.length > 0 ? parts : [textPart, ...parts];
  return create(MessageSchema, { role: Role.ASSISTANT, parts: all });
}
