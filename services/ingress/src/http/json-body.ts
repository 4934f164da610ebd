import { invalid, LanekeeperError } from "@lanekeeper/rpc";

export type JsonObject = { readonly [name: string]: unknown };

/**
 * Refuses a body that is not JSON by its headers.
 * @throws UNSUPPORTED_MEDIA_TYPE
 */
export function requireJson(contentType: string | undefined, encoding: string | undefined): void {
  const type = (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const charset =
    /;\s*charset="?([^";\s]+)/i.exec(contentType ?? "")?.[1]?.toLowerCase() ?? "utf-8";
  if (type !== "application/json") throw unsupported("content-type", "send application/json");
  if (charset !== "utf-8" && charset !== "utf8") throw unsupported("content-type", "send UTF-8");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw unsupported("content-encoding", "send the body uncompressed");
  }
}

function unsupported(field: string, description: string): LanekeeperError {
  return new LanekeeperError("UNSUPPORTED_MEDIA_TYPE", `${field}: ${description}`, {
    metadata: { field },
  });
}

/** @throws INVALID_REQUEST for bytes that are no JSON object within the depth. */
export function parseJsonObject(bytes: Uint8Array, maxDepth: number): JsonObject {
  const value = parseJson(decodeUtf8(bytes));
  if (!isObject(value)) throw invalid("body", "must be a JSON object");
  checkTree(value, maxDepth);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid("body", "is not UTF-8");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8's text quotes the body around the fault, which helps whoever wrote it.
    const why = error instanceof SyntaxError ? error.message : "cannot be read";
    throw invalid("body", `is not valid JSON: ${why}`);
  }
}

/** Level by level rather than by recursion: the depth is what is not trusted yet. */
function checkTree(root: object, maxDepth: number): void {
  let level: object[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) throw invalid("body", `is nested deeper than ${maxDepth} levels`);
    level = level.flatMap(children);
  }
}

function children(parent: object): object[] {
  const found: object[] = [];
  for (const value of Object.values(parent) as unknown[]) {
    if (typeof value === "object" && value !== null) found.push(value);
    // JSON.parse reads 1e999 as Infinity, which no JSON can carry on.
    else if (typeof value === "number" && !Number.isFinite(value)) {
      throw invalid("body", "has a number that is out of range");
    }
  }
  return found;
}
