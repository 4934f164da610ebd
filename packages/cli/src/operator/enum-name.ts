import type { DescEnum } from "@bufbuild/protobuf";

/** The name of a value without its prefix, such as "COMPLETED"; a newer server's value as its number. */
export function enumName(schema: DescEnum, value: number): string {
  return schema.value[value]?.localName ?? String(value);
}
