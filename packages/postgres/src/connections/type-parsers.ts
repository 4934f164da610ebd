import pg from "pg";

const INT8 = 20;
const INT8_ARRAY = 1016;
const BYTEA_ARRAY = 1001;

/**
 * int8 as bigint, for one pool: pg gives strings, and changing its global table would change them for
 * every other user of pg in the process. Everything else as pg has it: timestamptz is a Date,
 * json and jsonb are parsed, numeric stays a string. Arrays of bytea too, but quicker.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: "text" | "binary" = "text") => {
    if (format === "text" && oid === INT8) return BigInt;
    if (format === "text" && oid === INT8_ARRAY) return parseInt8Array;
    if (format === "text" && oid === BYTEA_ARRAY) return parseByteaArray;
    return pg.types.getTypeParser(oid, format);
  }) as typeof pg.types.getTypeParser,
};

/** pg's own parser of this type: strings and nulls, nested as the array is. */
const parseArray = pg.types.getTypeParser(INT8_ARRAY as number, "text") as (text: string) => Nested;

type Nested = readonly (string | null | Nested)[];
type NestedBigInt = (bigint | null | NestedBigInt)[];

function parseInt8Array(text: string): NestedBigInt {
  return toBigInts(parseArray(text));
}

function toBigInts(values: Nested): NestedBigInt {
  return values.map((value) => {
    if (value === null) return null;
    return typeof value === "string" ? BigInt(value) : toBigInts(value);
  });
}

const parseAnyByteaArray = pg.types.getTypeParser(BYTEA_ARRAY as number, "text");

/** What stands before the digits of an element, whose backslash is escaped. */
const HEX = '"\\\\x';

/**
 * pg looks at each digit by itself, with an object for each: an array of 4 MiB, such as a large reply, held a process up
 * for a second. Elements in hex have neither commas nor quotes, so the text is cut at those.
 */
function parseByteaArray(text: string): unknown {
  if (text === "{}") return [];
  const elements = text.slice(1, -1).split(",");
  const isPlain = elements.every((element) => element === "NULL" || element.startsWith(HEX));
  // Of several dimensions, or as bytea_output = escape has it.
  if (!isPlain) return parseAnyByteaArray(text);
  return elements.map((element) =>
    element === "NULL" ? null : Buffer.from(element.slice(HEX.length, -1), "hex"),
  );
}
