import pg from "pg";

const INT8 = 20;
const INT8_ARRAY = 1016;

/**
 * int8 as bigint, for one pool: pg gives strings, and changing its global table would change them for
 * every other user of pg in the process. Everything else as pg has it: timestamptz is a Date,
 * json and jsonb are parsed, numeric stays a string.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: "text" | "binary" = "text") => {
    if (format === "text" && oid === INT8) return BigInt;
    if (format === "text" && oid === INT8_ARRAY) return parseInt8Array;
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
