import type { DescMessage } from "@bufbuild/protobuf";
import { invalid } from "../errors/constructors.ts";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { enumFieldPaths } from "./field-paths.ts";

const UNKNOWN_KEY = /key "([^"]+)" is unknown$/;
const BAD_FIELD = /^cannot decode field \S+\.([^.\s]+) from JSON: (.*)$/s;
const BAD_ENUM = /^cannot decode enum (\S+) from JSON: (.*)$/s;

/**
 * INVALID_REQUEST for a body that is no such message, with the field where the words of protobuf-es
 * let it be told. An unknown enum value names its type only; if one field alone has that type, it is
 * the one.
 */
export function parseFailure(schema: DescMessage, message: string): LanekeeperError {
  const unknown = UNKNOWN_KEY.exec(message)?.[1];
  if (unknown !== undefined) return invalid(unknown, "is no field of this request");
  const field = BAD_FIELD.exec(message);
  if (field !== null) return invalid(jsonName(schema, field[1] ?? ""), field[2] ?? "");
  const value = BAD_ENUM.exec(message);
  if (value !== null) return badEnum(schema, value[1] ?? "", value[2] ?? "");
  return new LanekeeperError("INVALID_REQUEST", message);
}

function badEnum(schema: DescMessage, enumName: string, value: string): LanekeeperError {
  const description = `${value} is no value of ${enumName}`;
  const [path, ...others] = enumFieldPaths(schema, enumName);
  if (path !== undefined && others.length === 0) return invalid(path, description);
  return new LanekeeperError("INVALID_REQUEST", description);
}

/** protobuf-es speaks of proto names; who sent JSON knows the JSON name. */
function jsonName(schema: DescMessage, protoName: string): string {
  return schema.fields.find((field) => field.name === protoName)?.jsonName ?? protoName;
}
