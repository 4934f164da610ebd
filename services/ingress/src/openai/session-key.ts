import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../http/json-body.ts";
import type { SingleHeaderName, SingleHeaders } from "../http/single-headers.ts";
import { type Field, fieldOf, isAbsent, requireText } from "./field.ts";

/**
 * The name that a request gives its conversation, as a raw external key: from `x-session-key`,
 * `x-openclaw-session-key` (both printable ASCII, verbatim), `x-session-key-encoded`
 * (percent-encoded UTF-8, decoded once), `conversation` (a text, or an object with an `id`) or
 * `metadata.session_key` in the body. What the name means is session-identity's to say. Undefined: it
 * gives none.
 * @throws INVALID_REQUEST where two of them disagree or one cannot be read, MALFORMED_KEY for an
 * empty name or one that is no Unicode text.
 */
export function namedSession(headers: SingleHeaders, body: JsonObject): string | undefined {
  const given = [
    named("x-session-key", headers.ascii("x-session-key")),
    named("x-openclaw-session-key", headers.ascii("x-openclaw-session-key")),
    named("x-session-key-encoded", decoded(headers, "x-session-key-encoded")),
    named("conversation", conversation(body)),
    named("metadata.session_key", textOf(fromMetadata(body))),
  ].filter((one) => one !== undefined);
  const [first, ...others] = given;
  if (first === undefined) return undefined;
  const other = others.find((one) => one.key !== first.key);
  if (other !== undefined) {
    // What a name leads to is not known here: `exp:1` and `agent:main:exp:1` may be one session or two.
    throw invalid(
      other.field,
      `is not the same text as ${first.field}; send one of them, or both spelt alike`,
    );
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

function decoded(headers: SingleHeaders, name: SingleHeaderName): string | undefined {
  const value = headers.ascii(name);
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    throw malformed(name, "is not percent-encoded UTF-8");
  }
}

/** An object without its id would be a request without a session, and so lose the thread. */
function conversation(body: JsonObject): string | undefined {
  const field = fieldOf(body, "conversation");
  return isObject(field.value)
    ? requireText(fieldOf(field.value, "id", field.path))
    : textOf(field);
}

function fromMetadata(body: JsonObject): Field {
  const { path, value } = fieldOf(body, "metadata");
  return isObject(value)
    ? fieldOf(value, "session_key", path)
    : { path: `${path}.session_key`, value: undefined };
}

function textOf(field: Field): string | undefined {
  return isAbsent(field) ? undefined : requireText(field);
}

/** An empty name is most likely an unset variable: going on without a session would lose the thread. */
export function wellFormed(field: string, key: string): string {
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
