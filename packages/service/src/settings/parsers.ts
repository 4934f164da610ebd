import { isIP } from "node:net";
import { resolve } from "node:path";
import { Secret } from "./secret.ts";
import { parseTarget, type Target } from "./target.ts";

/** Reads one environment variable's text, already trimmed and not empty. */
export interface Parser<T> {
  /** Ends the sentence "expected …" of the error. */
  readonly expected: string;
  /** The text must not appear in an error. */
  readonly secret?: boolean;
  /** Undefined: the text is not what is expected. */
  parse(text: string): T | undefined;
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

export const text: Parser<string> = { expected: "a text", parse: (value) => value };

export const secret: Parser<Secret> = {
  expected: "a secret",
  secret: true,
  parse: (value) => new Secret(value),
};

export const flag: Parser<boolean> = {
  expected: "1 or 0",
  parse: (value) => (value === "1" ? true : value === "0" ? false : undefined),
};

/** A path, absolute from here on: a later `chdir` does not move it. */
export const path: Parser<string> = { expected: "a path", parse: (value) => resolve(value) };

export function integer({ min, max }: Bounds): Parser<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse: (value) => (/^-?\d+$/.test(value) ? within(Number(value), { min, max }) : undefined),
  };
}

/** A port to listen on; 0 takes any free one. */
export const port: Parser<number> = {
  expected: "a port from 0 to 65535 (0: any free one)",
  parse: (value) =>
    /^\d+$/.test(value) ? within(Number(value), { min: 0, max: 65535 }) : undefined,
};

const MS_PER_UNIT: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds, from `25s`, `1500ms`, `1.5m`, `2h` or a bare whole number of milliseconds. Bounds in ms. */
export function duration({ min, max }: Bounds): Parser<number> {
  return {
    expected: `a duration such as "25s", "1500ms" or a whole number of milliseconds, from ${min} ms to ${max} ms`,
    parse(value) {
      const match = /^(?<amount>\d+(?:\.\d+)?)\s*(?<unit>ms|s|m|h)?$/.exec(value);
      const perUnit = MS_PER_UNIT[match?.groups?.["unit"] ?? "ms"] ?? Number.NaN;
      const ms = Math.round(Number(match?.groups?.["amount"]) * perUnit);
      return within(ms, { min, max });
    },
  };
}

export function oneOf<const T extends string>(words: readonly T[]): Parser<T> {
  return {
    expected: `one of ${words.join(", ")}`,
    parse: (value) => words.find((word) => word === value),
  };
}

/** `protocols` with their colon: `["http:", "https:"]`. */
export function url(protocols: readonly string[]): Parser<string> {
  return {
    expected: `a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
    parse: (value) => (hasProtocol(value, protocols) ? value : undefined),
  };
}

/** Where a platform's API is, with a slash at its end, so that a method's name can be put behind it. */
export const apiUrl: Parser<URL> = {
  expected: "an http or https URL without user, query or fragment",
  parse(text) {
    if (!URL.canParse(text)) return undefined;
    const url = new URL(text.replace(/\/*$/, "/"));
    const isPlain = url.username === "" && url.search === "" && url.hash === "";
    return isPlain && /^https?:$/.test(url.protocol) ? url : undefined;
  },
};

/** Secret as a whole, since its password stands in the middle of it. pg asks one server: of a list it knows nothing. */
export const databaseUrl: Parser<Secret> = {
  expected:
    'a URL of one server that begins with postgres:// or postgresql://, such as "postgres://user:password@host:5432/database"',
  secret: true,
  parse: (value) =>
    hasProtocol(value, ["postgres:", "postgresql:"]) ? new Secret(value) : undefined,
};

/** A name or address to bind, without a port; an IPv6 address may stand in brackets. */
export const hostName: Parser<string> = {
  expected: "a host name or an IP address, without a port",
  parse(value) {
    const bare = value.replace(/^\[(.+)\]$/, "$1");
    return isIP(bare) > 0 || /^[A-Za-z0-9._-]+$/.test(bare) ? bare : undefined;
  },
};

export const target: Parser<Target> = {
  expected:
    '"host:7101", "dns:///name:7101", or a list of IP addresses such as "10.0.0.1:7101,10.0.0.2:7101"',
  parse: parseTarget,
};

function within(value: number, { min, max }: Bounds): number | undefined {
  return value >= min && value <= max ? value : undefined;
}

function hasProtocol(value: string, protocols: readonly string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}
