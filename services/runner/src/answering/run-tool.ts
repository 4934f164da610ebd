import { durationMs } from "@bufbuild/protobuf/wkt";
import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import type { ToolCall } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { isUnavailable } from "@lanekeeper/postgres";
import { linkedSignal } from "@lanekeeper/service";
import { storableText } from "../domain/storable-text.ts";
import { LIMITS } from "../limits.ts";
import type { Tool, ToolContext, ToolOutcome } from "../tools/tool.ts";
import type { RunnerDeps } from "../deps.ts";

/** What calls of an agent's own tools may take. */
export interface ToolBounds {
  readonly timeoutMs: number;
  readonly outputBytes: number;
  readonly stepsPerTurn: number;
}

export function toolBounds({ toolLimits }: Pick<AgentConfig, "toolLimits">): ToolBounds {
  const timeout = toolLimits?.timeout;
  return {
    timeoutMs: timeout === undefined ? LIMITS.toolMs : durationMs(timeout),
    outputBytes: toolLimits?.outputBytes || LIMITS.toolOutputBytes,
    stepsPerTurn: toolLimits?.stepsPerTurn || LIMITS.toolStepsPerTurn,
  };
}

/**
 * Runs one call within its bounds. A tool that throws has failed; what it threw is told to the model
 * as little as to anybody outside. Where the database cannot be asked, that is no answer of the tool's: the
 * turn's next run goes on from there. One without a session has no next run.
 * @throws the signal's reason, and the outage.
 */
export async function runTool(
  { clock }: Pick<RunnerDeps, "clock">,
  tool: Tool | undefined,
  call: ToolCall,
  context: ToolContext,
  bounds: ToolBounds,
): Promise<ToolOutcome> {
  if (tool === undefined) return { text: `There is no tool named ${call.name}.`, isError: true };
  const late = new AbortController();
  const cutOff = new Promise<ToolOutcome>((resolve, reject) => {
    const left = (): void => reject(context.signal.reason as Error);
    context.signal.addEventListener("abort", left, { once: true, signal: late.signal });
    late.signal.addEventListener("abort", () => resolve(tooLate(call.name, bounds)), {
      once: true,
    });
  });
  cutOff.catch(() => undefined);
  const timeUp = (): void => late.abort(new Error("the tool's time is up"));
  const timer = tool.boundsItself === true ? undefined : clock.setTimer(bounds.timeoutMs, timeUp);
  using linked = linkedSignal(context.signal, late.signal);
  const { signal } = linked;
  try {
    // A tool that does not listen to the signal is left to itself.
    const outcome = await Promise.race([
      tool.run(call.argumentsJson, { ...context, signal }),
      cutOff,
    ]);
    return { ...outcome, text: cut(storableText(outcome.text), bounds.outputBytes) };
  } catch (error) {
    context.signal.throwIfAborted();
    if (late.signal.aborted) return tooLate(call.name, bounds);
    if (isUnavailable(error) && context.session !== undefined) throw error;
    const name = error instanceof Error ? error.name : "error";
    return { text: `The tool ${call.name} failed (${name}).`, isError: true };
  } finally {
    timer?.cancel();
    late.abort();
  }
}

function tooLate(name: string, { timeoutMs }: ToolBounds): ToolOutcome {
  const text = `The tool ${name} did not answer within ${timeoutMs / 1_000} s. Perhaps it acted.`;
  return { text, isError: true };
}

/** Whole characters of at most so many bytes, and a word on what is missing. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString("utf8", 0, end)}\n[cut: ${bytes.length - end} of ${bytes.length} bytes left out]`;
}
