import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import type { SingleHeaderName, SingleHeaders } from "../http/single-headers.ts";

/**
 * The name that a request gives its conversation, as a raw external key: from `x-session-key`,
 * `x-openclaw-session-key` (both printable ASCII, verbatim), `x-session-key-encoded`
 * (percent-encoded UTF-8, decoded once) or `metadata.session_key` in the body. What the name means
 * is session-identity's to say. Undefined: the request is stateless.
 * @throws INVALID_REQUEST where two of them disagree or one cannot be read, MALFORMED_KEY for an
 * empty name or one that is no Unicode text.
 */
export function selectSessionKey(headers: SingleHeaders, metadata: unknown): string | undefined {
  const given = [
    named("x-session-key", verbatim(headers, "x-session-key")),
    named("x-openclaw-session-key", verbatim(headers, "x-openclaw-session-key")),
    named("x-session-key-encoded", decoded(headers, "x-session-key-encoded")),
    named("metadata.session_key", fromMetadata(metadata)),
  ].filter((one) => one !== undefined);
  const [first, ...others] = given;
  if (first === undefined) return undefined;
  const other = others.find((one) => one.key !== first.key);
  if (other !== undefined) {
    throw invalid(other.field, `names another session than ${first.field}; send one, or the same`);
  }
  return wellFormed(first.field, first.key);
}

interface Given {
  readonly field: string;
  readonly key: string;
}

function named(field: string, key: string | undefined): Given | undefined {
  return key === undefined ? undefined : { field, key };
}

/** Header values arrive as Latin-1; guessing whether UTF-8 was meant would make two names of one. */
function verbatim(headers: SingleHeaders, name: SingleHeaderName): string | undefined {
  const value = headers.get(name);
  if (value !== undefined && !/^[ -~]*$/.test(value)) {
    throw invalid(name, "is not printable ASCII; send it percent-encoded in x-session-key-encoded");
  }
  return value;
}

function decoded(headers: SingleHeaders, name: SingleHeaderName): string | undefined {
  const value = verbatim(headers, name);
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    throw malformed(name, "is not percent-encoded UTF-8");
  }
}

function fromMetadata(metadata: unknown): string | undefined {
  if (typeof metadata !== "object" || metadata === null) return undefined;
  const key: unknown = Object.hasOwn(metadata, "session_key")
    ? Reflect.get(metadata, "session_key")
    : undefined;
  if (key === undefined || key === null) return undefined;
  if (typeof key !== "string") throw invalid("metadata.session_key", "must be a string");
  return key;
}

/** An empty name is most likely an unset variable: going on without a session would lose the thread. */
function wellFormed(field: string, key: string): string {
  if (key === "") throw malformed(field, "is empty; leave it out for a request without a session");
  // Protobuf would turn a lone surrogate into U+FFFD, and so several names into one.
  if (Buffer.from(key, "utf8").toString("utf8") !== key)
    throw malformed(field, "has a lone surrogate");
  return key;
}

function malformed(field: string, description: string): LanekeeperError {
  return new LanekeeperError("MALFORMED_KEY", `${field}: ${description}`, {
    metadata: { field },
    fieldViolations: [{ field, description }],
  });
}
