import type {
  FilePart,
  Message,
  ToolCall,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { callsOf, toolResultMessage } from "../domain/context.ts";
import { textOf } from "../domain/message-text.ts";
import { ReplyFiles } from "../domain/reply-files.ts";
import { gapBetween } from "../domain/steps-apart.ts";
import { LIMITS } from "../limits.ts";
import {
  beginStep,
  finishStep,
  readSteps,
  type StepResult,
  type ToolStep,
} from "../store/answering/tool-steps.ts";
import type { Steer } from "../store/answering/steer.ts";
import type { Tool, ToolContext, ToolOutcome } from "../tools/tool.ts";
import type { RunnerDeps } from "../deps.ts";
import type { Heartbeat } from "../runs/heartbeat.ts";
import { persist } from "../persist.ts";
import { RunAborted } from "../runs/run-abort.ts";
import { runTool, type ToolBounds } from "./run-tool.ts";
import type { TurnStream } from "../attaching/turn-stream.ts";

export interface ToolStepsOptions {
  readonly deps: Pick<RunnerDeps, "db" | "clock" | "log">;
  /** Everything but the step's number. */
  readonly context: Omit<ToolContext, "step">;
  readonly stream: TurnStream;
  readonly heartbeat: Heartbeat | undefined;
  /** True: earlier runs of the turn may have left steps. */
  readonly mayResume: boolean;
  readonly limits: ToolBounds;
}

type Tools = ReadonlyMap<string, Tool>;

export const PERHAPS_DONE =
  "This call was begun and its end was not recorded: perhaps it was done, perhaps not. Find out before you repeat it.";

/**
 * The tool steps of a turn, numbered across its runs. Each is recorded before it acts and after: what
 * finished is not done again by the turn's next run, and what may have been done is told as that.
 */
export class ToolSteps {
  readonly #options: ToolStepsOptions;
  readonly #files = new ReplyFiles(LIMITS);
  #lastStep = 0;

  constructor(options: ToolStepsOptions) {
    this.#options = options;
  }

  /** The last step that was begun in the turn; 0: none. */
  get lastStep(): number {
    return this.#lastStep;
  }

  /** What tools have made for the turn's answer. */
  get files(): readonly FilePart[] {
    return this.#files.all;
  }

  /** What who asked is told of those that did not fit, once; empty: nothing. */
  tellLeftOut(): string {
    return this.#files.tellLeftOut();
  }

  /**
   * What earlier runs of the turn said and did with tools, finished where it was not begun. What was done
   * stands, also where the agent has the tool no more.
   * @param isClients whether a tool is the client's to run.
   * @param steered what those runs were handed meanwhile, and read: it stands before what they did after it.
   */
  async resume(
    tools: Tools,
    isClients: (name: string) => boolean,
    steered: readonly Steer[],
  ): Promise<Message[]> {
    if (!this.#options.mayResume) return [];
    const { deps, context, stream } = this.#options;
    const steps = await readSteps(deps.db, context.tenant, context.turnId);
    const produced: Message[] = [];
    let before = "";
    let read = 0;
    for (const round of roundsOf(steps)) {
      const firstStep = round.steps[0]?.step ?? 0;
      for (; (steered[read]?.afterStep ?? firstStep) < firstStep; read++) {
        produced.push(...(steered[read]?.messages ?? []));
      }
      produced.push(round.said);
      const text = textOf(round.said);
      const told = gapBetween(before, text) + text;
      if (told !== "") stream.emit({ case: "textDelta", value: told });
      before += told;
      const own = callsOf(round.said).filter(
        ({ callId, name }) => !isClients(name) || stepOf(round, callId) !== undefined,
      );
      produced.push(...(await this.#resumeRound(round, own, tools)));
    }
    return [...produced, ...steered.slice(read).flatMap(({ messages }) => messages)];
  }

  /** Runs the calls of one message of the agent, one after the other. */
  async run(said: Message, calls: readonly ToolCall[], tools: Tools): Promise<Message[]> {
    const results: Message[] = [];
    for (const [index, call] of calls.entries()) {
      results.push(await this.#runOne(call, index === 0 ? said : undefined, tools));
    }
    return results;
  }

  async #resumeRound(round: Round, calls: readonly ToolCall[], tools: Tools): Promise<Message[]> {
    const results: Message[] = [];
    for (const call of calls) {
      const step = stepOf(round, call.callId);
      if (step === undefined) {
        results.push(await this.#runOne(call, undefined, tools));
        continue;
      }
      this.#lastStep = Math.max(this.#lastStep, step.step);
      if (step.result === undefined && tools.get(call.name)?.isRepeatable === true) {
        results.push(await this.#runStep(call, undefined, tools, step.step));
        continue;
      }
      const { text, isError, files, filesLeftOut } = step.result ?? UNKNOWN;
      this.#files.adopt(files, filesLeftOut);
      results.push(toolResultMessage(call.callId, text, isError));
    }
    return results;
  }

  async #runOne(call: ToolCall, said: Message | undefined, tools: Tools): Promise<Message> {
    const { stepsPerTurn } = this.#options.limits;
    if (this.#lastStep >= stepsPerTurn) {
      const text = `QUOTA: the turn has used its ${stepsPerTurn} calls of tools. Answer without.`;
      return toolResultMessage(call.callId, text, true);
    }
    this.#lastStep += 1;
    return this.#runStep(call, said, tools, this.#lastStep);
  }

  async #runStep(
    call: ToolCall,
    said: Message | undefined,
    tools: Tools,
    step: number,
  ): Promise<Message> {
    const { deps, context, stream, heartbeat, limits } = this.#options;
    context.signal.throwIfAborted();
    const begun = await persist(deps, "begin a tool step", () =>
      beginStep(deps.db, context, { step, callId: call.callId, name: call.name, said }),
    );
    if (!begun) throw new RunAborted({ kind: "lost" });
    stream.emit({ case: "toolActivity", value: { name: call.name, finished: false } });
    if (heartbeat !== undefined) heartbeat.phase = `tool:${call.name}`.slice(0, 200);
    const tool = tools.get(call.name);
    const outcome = await runTool(deps, tool, call, { ...context, step }, limits);
    const result = this.#resultOf(outcome);
    if (heartbeat !== undefined) heartbeat.phase = "model";
    const isHeld = await persist(deps, "finish a tool step", () =>
      finishStep(deps.db, context, step, result),
    );
    context.signal.throwIfAborted();
    if (!isHeld) throw new RunAborted({ kind: "lost" });
    stream.emit({ case: "toolActivity", value: { name: call.name, finished: true } });
    return toolResultMessage(call.callId, result.text, result.isError);
  }

  /** The model is told of the files; who asked gets them. */
  #resultOf({ text, isError, files: made = [] }: ToolOutcome): StepResult {
    if (isError || made.length === 0) return { text, isError, files: [], filesLeftOut: 0 };
    const { kept, leftOut, note } = this.#files.take(made);
    const told = text === "" ? note : `${text}\n${note}`;
    return { text: told, isError, files: kept, filesLeftOut: leftOut };
  }
}

const UNKNOWN: StepResult = { text: PERHAPS_DONE, isError: true, files: [], filesLeftOut: 0 };

/** One message of the agent with the steps that its calls made. */
interface Round {
  readonly said: Message;
  readonly steps: ToolStep[];
}

function stepOf({ steps }: Round, callId: string): ToolStep | undefined {
  return steps.find((step) => step.callId === callId);
}

function roundsOf(steps: readonly ToolStep[]): Round[] {
  const rounds: Round[] = [];
  for (const step of steps) {
    if (step.said !== undefined) rounds.push({ said: step.said, steps: [] });
    rounds.at(-1)?.steps.push(step);
  }
  return rounds;
}
