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
  const line = parse(text);
  const { level, msg, err } = line;
  if (level !== "warn" && level !== "error" && level !== "fatal") return undefined;
  const cause = isObject(err) && typeof err["message"] === "string" ? err["message"] : undefined;
  const message = typeof msg === "string" ? msg : "";
  const told = cause === undefined || message.includes(cause) ? message : `${message}: ${cause}`;
  return `${level}: ${told.split("\n", 1)[0] ?? ""}${aboutOf(line)}`;
}

/** Which of many it is, as `trace` and `deliveries get` take it: the first of these that the line has. */
const IDS = ["delivery_id", "turn_id", "request_id", "error_id"];
/** An answer of a receiver may be long; the log has it whole. */
const MAX_ERROR_CHARS = 200;

/** What a person needs to look further: what it is about, why, and when it is tried again. */
function aboutOf(line: Record<string, unknown>): string {
  const id = IDS.find((name) => isText(line[name]));
  const { error, retry_in_ms: retryInMs } = line;
  const parts = [
    ...(id === undefined ? [] : [`${id} ${String(line[id])}`]),
    ...(isText(error) ? [(error.split("\n", 1)[0] ?? "").slice(0, MAX_ERROR_CHARS)] : []),
    ...(typeof retryInMs === "number" ? [`again in ${seconds(retryInMs)}`] : []),
  ];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
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
