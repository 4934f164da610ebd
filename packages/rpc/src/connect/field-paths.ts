import type { DescMessage } from "@bufbuild/protobuf";

/** How deep a request's messages are walked; ours nest four deep. */
const MAX_DEPTH = 8;

/** The JSON paths of all fields (or lists, or maps) of this enum type within a message. */
export function enumFieldPaths(schema: DescMessage, enumName: string, depth = 0): string[] {
  if (depth > MAX_DEPTH) return [];
  return schema.fields.flatMap((field) => {
    if (field.enum?.typeName === enumName) return [field.jsonName];
    if (field.message === undefined) return [];
    return enumFieldPaths(field.message, enumName, depth + 1).map(
      (path) => `${field.jsonName}.${path}`,
    );
  });
}
