import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { invalid } from "../errors/constructors.ts";

/**
 * Refuses enum numbers that this release does not know. proto3 keeps them, in JSON as in binary, and
 * a handler that switches over the known ones would do as if none had been given.
 * @throws INVALID_REQUEST naming the field
 */
export function refuseUnknownEnums(schema: DescMessage, message: Message): void {
  if (hasEnum(schema)) walk(reflect(schema, message), "");
}

const withEnums = new Map<DescMessage, boolean>();

/** True if the message or one below it has an enum field; computed once per type. */
function hasEnum(schema: DescMessage): boolean {
  const known = withEnums.get(schema);
  if (known !== undefined) return known;
  withEnums.set(schema, false); // breaks the circle of a type that contains itself
  const found = schema.fields.some(
    (field) => field.enum !== undefined || (field.message !== undefined && hasEnum(field.message)),
  );
  withEnums.set(schema, found);
  return found;
}

function walk(message: ReflectMessage, prefix: string): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const path = `${prefix}${field.jsonName}`;
    for (const value of values(message, field)) check(field, value, path);
  }
}

function check(field: DescField, value: unknown, path: string): void {
  if (field.enum !== undefined) {
    const known = field.enum.values.some(({ number }) => number === value);
    if (!known) throw invalid(path, `${String(value)} is no value of ${field.enum.typeName}`);
  } else if (field.message !== undefined) {
    walk(value as ReflectMessage, `${path}.`);
  }
}

/** The value of a field, or those of its list or map. */
function values(message: ReflectMessage, field: DescField): Iterable<unknown> {
  const value: unknown = message.get(field);
  switch (field.fieldKind) {
    case "list":
      return value as Iterable<unknown>;
    case "map":
      return (value as ReadonlyMap<unknown, unknown>).values();
    default:
      return [value];
  }
}
