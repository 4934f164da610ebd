import { invalid } from "@lanekeeper/rpc";
import type { JsonObject } from "../http/json-body.ts";
import { fieldOf, isAbsent } from "./field.ts";

/** Fields of OpenAI's that are refused by name, and what to do instead. */
export type NotOffered = readonly (readonly [name: string, instead: string])[];

/**
 * What asks for something that no answer of ours could hold: the model would be asked for it, and what it
 * said would be dropped without a word. Null and false ask for nothing.
 * @throws INVALID_REQUEST naming the field
 */
export function refuseNotOffered(body: JsonObject, fields: NotOffered): void {
  for (const [name, instead] of fields) {
    const field = fieldOf(body, name);
    if (!isAbsent(field) && field.value !== false) throw invalid(name, instead);
  }
}
