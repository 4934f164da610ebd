import { readFile } from "node:fs/promises";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { type Problem, runnerProblems } from "./runner-problems.ts";
import { type Config, configSchema } from "./schema.ts";

/**
 * `variable` is what named the file, if not the person who asks.
 * @throws CliError with a line "<file>:<line>: <field>: expected …" for each thing that is wrong
 */
export async function loadConfig(file: string, variable?: "LANEKEEPER_CONFIG"): Promise<Config> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const named = variable === undefined ? file : `${variable} names ${file}, which`;
    throw new CliError(`${named} cannot be read: ${reason(cause)}.`, { cause });
  }
  return parseConfig(text, file);
}

/** `file` only names the text in errors. */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const unread = [...document.errors, ...document.warnings];
  if (unread.length > 0) {
    throw new CliError(
      unread
        .map((error) => `${file}:${lines.linePos(error.pos[0]).line}: ${error.message}`)
        .join("\n"),
    );
  }
  const parsed = configSchema.safeParse(document.toJS());
  const problems = parsed.success
    ? runnerProblems(parsed.data)
    : parsed.error.issues.flatMap((issue) => flatten(issue));
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new CliError(problems.map((problem) => located(problem, file, document, lines)).join("\n"));
}

/** One problem for each unknown field, so that each has its own line. */
function flatten(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: "no such field" }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const deeper = issue.errors.flat().filter(({ path }) => path.length > 0);
    if (deeper.length > 0) {
      return deeper.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }));
    }
  }
  if (issue.code === "invalid_key") {
    const message = issue.issues[0]?.message ?? issue.message;
    return [{ path: issue.path, message }];
  }
  return [{ path: issue.path, message: sentence(issue) }];
}

function sentence(issue: z.core.$ZodIssue): string {
  const { message } = issue;
  if (message.startsWith("expected")) return message;
  return message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "");
}

function located(problem: Problem, file: string, document: Document, lines: LineCounter): string {
  const offset = offsetOf(document, problem.path);
  const line = offset === undefined ? 1 : lines.linePos(offset).line;
  const field = problem.path.map(String).join(".");
  return `${file}:${line}: ${field === "" ? "the file" : field}: ${problem.message}`;
}

/** Of the field itself, or of the nearest thing around it that is in the file. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(key),
      );
      if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node)) return node.range?.[0];
  }
  return isNode(document.contents) ? document.contents.range?.[0] : undefined;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
