import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../http/json-body.ts";

/** A value of a request body together with where it stands, such as `messages[2].content`. */
export interface Field {
  readonly path: string;
  readonly value: unknown;
}

export function fieldOf(parent: JsonObject, name: string, at = ""): Field {
  const path = at === "" ? name : `${at}.${name}`;
  // A name such as `constructor` is found on every object's prototype too.
  return { path, value: Object.hasOwn(parent, name) ? parent[name] : undefined };
}

export function itemOf(list: Field, index: number, value: unknown): Field {
  return { path: `${list.path}[${index}]`, value };
}

/** Null stands for "not given" in OpenAI's schema. */
export function isAbsent({ value }: Field): boolean {
  return value === undefined || value === null;
}

/** @throws INVALID_REQUEST naming the path. */
export function requireText(field: Field): string {
  if (typeof field.value !== "string") throw invalid(field.path, wanted("a string", field));
  return field.value;
}

/** @throws INVALID_REQUEST naming the path. */
export function requireObject(field: Field): JsonObject {
  if (!isObject(field.value)) throw invalid(field.path, wanted("an object", field));
  return field.value;
}

/** @throws INVALID_REQUEST naming the path. */
export function requireList(field: Field): readonly unknown[] {
  if (!Array.isArray(field.value)) throw invalid(field.path, wanted("a list", field));
  return field.value as readonly unknown[];
}

/** @throws INVALID_REQUEST naming the path. */
export function requireName(field: Field): string {
  const name = requireText(field);
  if (name === "") throw invalid(field.path, "is empty");
  return name;
}

/** False where it is not given. @throws INVALID_REQUEST naming the path. */
export function flagOf(field: Field): boolean {
  if (isAbsent(field)) return false;
  if (typeof field.value !== "boolean") throw invalid(field.path, wanted("true or false", field));
  return field.value;
}

function wanted(what: string, { value }: Field): string {
  return value === undefined ? `is missing; must be ${what}` : `must be ${what}`;
}
