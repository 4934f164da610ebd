import type { Parser } from "./parsers.ts";

/** What `process.env` is. */
export type Env = Readonly<Record<string, string | undefined>>;

/** One environment variable: its name, how it is read, what holds without it. */
export interface Variable<T> {
  readonly name: string;
  /** One phrase, for documentation and `doctor`. */
  readonly meaning: string;
  readonly expected: string;
  readonly secret: boolean;
  readonly parse: (text: string) => T | undefined;
  readonly fallback: T;
}

export interface EnvProblem {
  readonly variable: string;
  /** A whole sentence, without the value where that is secret. */
  readonly sentence: string;
}

/** The environment cannot be used; lists every variable that is wrong, not only the first. */
export class EnvError extends Error {
  override readonly name = "EnvError";
  readonly problems: readonly EnvProblem[];

  constructor(problems: readonly EnvProblem[]) {
    super(problems.map((problem) => problem.sentence).join("\n"));
    this.problems = problems;
  }
}

/** A variable that may be unset. */
export function optional<T>(
  name: string,
  parser: Parser<T>,
  meaning: string,
): Variable<T | undefined> {
  return withDefault<T | undefined>(name, parser, undefined, meaning);
}

/** A variable with a default. */
export function withDefault<T>(
  name: string,
  parser: Parser<T>,
  fallback: T,
  meaning: string,
): Variable<T> {
  const parse = (text: string): T | undefined => parser.parse(text);
  const { expected, secret = false } = parser;
  return { name, meaning, expected, secret, parse, fallback };
}

export type Variables = Readonly<Record<string, Variable<unknown>>>;
export type Values<T extends Variables> = {
  readonly [K in keyof T]: T[K] extends Variable<infer V> ? V : never;
};

/**
 * Reads all variables of a table. An empty or blank text counts as unset, as container tooling passes
 * variables on that way.
 * @throws EnvError
 */
export function readVariables<T extends Variables>(table: T, env: Env): Values<T> {
  const problems: EnvProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries(table)) {
    const given = env[variable.name]?.trim();
    values[key] = given ? variable.parse(given) : variable.fallback;
    if (given && values[key] === undefined) problems.push(wrongValue(variable, given));
  }
  if (problems.length > 0) throw new EnvError(problems);
  // Every key of the table was set above to what its own parser or fallback gave.
  return values as Values<T>;
}

function wrongValue(variable: Variable<unknown>, given: string): EnvProblem {
  const value = variable.secret ? "set to something else (not shown)" : JSON.stringify(show(given));
  return {
    variable: variable.name,
    sentence: `${variable.name} is ${value}: expected ${variable.expected}.`,
  };
}

/** A value in an error is cut at 120 characters, and credentials inside a URL are left out. */
function show(given: string): string {
  const masked = given.replace(/\/\/[^/@\s]*@/, "//[secret]@");
  return masked.length > 120 ? `${masked.slice(0, 120)}…` : masked;
}
