/** The longest line that is looked at; a longer one is in the file. */
const MAX_LINE_CHARS = 64 * 1024;

/**
 * Finds the warnings and errors in a service's output, and everything that is no JSON line: a crash
 * of Node itself, before or beyond the service's own log.
 */
export class EchoScanner {
  readonly #service: string;
  readonly #tell: (line: string) => void;
  #rest = "";

  constructor(service: string, tell: (line: string) => void) {
    this.#service = service;
    this.#tell = tell;
  }

  take(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString("utf8")).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, MAX_LINE_CHARS);
    for (const line of lines) this.#look(line);
  }

  /** The output has ended. */
  end(): void {
    this.#look(this.#rest);
    this.#rest = "";
  }

  #look(line: string): void {
    const text = line.trim();
    if (text === "") return;
    const said = text.startsWith("{") ? humanLine(text) : text;
    if (said !== undefined) this.#tell(`${this.#service}: ${said}`);
  }
}

/** The part of a log line that a person needs; undefined for what is not worth telling. */
function humanLine(text: string): string | undefined {
  if (!/"level":"(?:warn|error|fatal)"/.test(text)) return undefined;
  const { level, msg, err } = parse(text);
  if (level !== "warn" && level !== "error" && level !== "fatal") return undefined;
  const cause = isObject(err) && typeof err["message"] === "string" ? err["message"] : undefined;
  const message = typeof msg === "string" ? msg : "";
  const told = cause === undefined || message.includes(cause) ? message : `${message}: ${cause}`;
  return `${level}: ${told.split("\n", 1)[0] ?? ""}`;
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
