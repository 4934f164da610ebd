import { type CanonicalKey, restOf } from "./canonical-key.ts";
import { hasProfile } from "./channel-profiles.ts";
import { type KeyRefusal, refuse } from "./refusal.ts";
import { RESERVED_NAMESPACES } from "./rule-set.ts";
import { failed, passed, type Trail } from "./steps.ts";
import { isPlainAscii, lowerAscii } from "./text.ts";

/** Who asks to use a key. */
export interface KeyCaller {
  /** True for credentials of people, bots and adapters; false for the services themselves. */
  readonly outside: boolean;
  /** `adapter` and `operator` may use the keys of typed peers. */
  readonly scopes: readonly string[];
  /** Beginnings of canonical keys that this credential may use although they are typed renderings. */
  readonly keyPrefixes: readonly string[];
  /** Channels for which the tenant has a typed binding. */
  readonly typedChannels: { has(channel: string): boolean };
}

/**
 * Rules 6 and 8, on every call and whether or not the name was seen before: RESERVED_NAMESPACE,
 * PERMISSION_DENIED, or undefined when the caller may use the key. Pass `trail` to have both rules
 * written down for an explanation.
 */
export function checkKeyPermission(
  key: CanonicalKey,
  caller: KeyCaller,
  trail?: Trail,
): KeyRefusal | undefined {
  if (!caller.outside) return undefined;
  return checkReserved(key, trail) ?? checkTypedRendering(key, caller, trail);
}

function checkReserved(key: CanonicalKey, trail: Trail): KeyRefusal | undefined {
  const rest = restOf(key);
  const folded = firstSegment(foldForComparison(rest));
  if (RESERVED_NAMESPACES.has(folded)) {
    const message = `${folded}: belongs to the system`;
    const refusal = refuse("RESERVED_NAMESPACE", message, key.length - rest.length, {
      namespace: folded,
    });
    return failed(trail, "reserved-namespace", key, refusal);
  }
  passed(trail, "reserved-namespace", key, key);
  return undefined;
}

function checkTypedRendering(
  key: CanonicalKey,
  caller: KeyCaller,
  trail: Trail,
): KeyRefusal | undefined {
  const rest = restOf(key);
  if (isTypedRendering(rest, caller.typedChannels) && !mayUseTyped(key, caller)) {
    const message = "the key is one of a typed peer: it takes the adapter scope or a key prefix";
    const refusal = refuse("PERMISSION_DENIED", message, key.length - rest.length);
    return failed(trail, "typed-rendering", key, refusal);
  }
  passed(trail, "typed-rendering", key, key);
  return undefined;
}

/**
 * Compared as it stands: a look-alike of `direct:` leads to a key that no typed peer has.
 * `main:thread:` is a rendering too, that of a thread under dm scope `main`.
 */
function isTypedRendering(rest: string, typedChannels: KeyCaller["typedChannels"]): boolean {
  const first = firstSegment(rest);
  if (first === "direct" || hasProfile(first) || typedChannels.has(first)) return true;
  return rest.startsWith("main:thread:");
}

function mayUseTyped(key: CanonicalKey, caller: KeyCaller): boolean {
  if (caller.scopes.includes("adapter") || caller.scopes.includes("operator")) return true;
  return caller.keyPrefixes.some((prefix) => key.startsWith(prefix));
}

/** For comparison alone: a full-width `ＨＯＯＫ：` or one with a variation selector reads as `hook:`. */
function foldForComparison(rest: string): string {
  if (isPlainAscii(rest)) return lowerAscii(firstSegment(rest));
  return rest
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}+/gu, "")
    .toLowerCase();
}

function firstSegment(text: string): string {
  const end = text.indexOf(":");
  return end === -1 ? text : text.slice(0, end);
}
