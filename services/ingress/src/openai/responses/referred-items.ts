import { hasReason, invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import type { IngressLimits } from "../../limits.ts";
import { type Field, fieldOf, itemOf, requireName } from "../field.ts";
import { shownName } from "../shown-name.ts";
import { outputOf } from "./output.ts";
import { responseId, turnIdOfItem } from "./response-id.ts";
import type { Asker } from "../asker.ts";
import { endedOf, readResponse, type TurnReader } from "./stored-response.ts";

/** Responses that are read at once for one request: it waits for few round trips, and others for none. */
const READ_AT_ONCE = 16;

/** Where a request names an item by its id. */
export interface Reference {
  readonly id: string;
  /** Where the id stands. */
  readonly path: string;
}

/**
 * The same body, in whose input stand the items themselves that it named by their ids (`item_reference`). The AI
 * SDK names whatever it was told before, unless told otherwise
 * (https://github.com/vercel/ai/blob/main/packages/openai/src/responses/convert-to-openai-responses-input.ts).
 * What is not known stays as it is: a repeat of a request that was accepted gets its answer all the same.
 * @throws INVALID_REQUEST for one without an id, or more than are read for one request
 */
export async function withReferredItems(
  context: TurnReader & { readonly limits: Pick<IngressLimits, "maxReferredResponses"> },
  asker: Asker,
  body: JsonObject,
): Promise<JsonObject> {
  const references = referencesIn(body);
  if (references.size === 0) return body;
  const known = await readItems(context, asker, [...references.values()]);
  const whole = (item: unknown, index: number): unknown =>
    known.get(references.get(index)?.id ?? "") ?? item;
  return { ...body, input: itemsOf(fieldOf(body, "input")).map(whole) };
}

/** The first that is not known. */
export function unknownItem(body: JsonObject): Reference | undefined {
  const [unknown] = referencesIn(body).values();
  return unknown;
}

/** @throws INVALID_REQUEST */
export function refuseUnknownItem(unknown: Reference | undefined): void {
  if (unknown === undefined) return;
  const { id, path } = unknown;
  throw invalid(path, `no item has the id ${JSON.stringify(shownName(id))}; send the item itself`);
}

/** By their places in the input. */
function referencesIn(body: JsonObject): ReadonlyMap<number, Reference> {
  const input = fieldOf(body, "input");
  const found = new Map<number, Reference>();
  for (const [index, value] of itemsOf(input).entries()) {
    if (!isObject(value) || fieldOf(value, "type").value !== "item_reference") continue;
    const field = fieldOf(value, "id", itemOf(input, index, value).path);
    found.set(index, { id: requireName(field), path: field.path });
  }
  return found;
}

/** None of an input that is a text, or that is refused when it is read. */
function itemsOf({ value }: Field): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The items of the responses that these are of, by their ids. */
async function readItems(
  context: Parameters<typeof withReferredItems>[0],
  asker: Asker,
  references: readonly Reference[],
): Promise<ReadonlyMap<string, object>> {
  const of = references.map(({ id }) => turnIdOfItem(id)).filter((turnId) => turnId !== undefined);
  const turnIds = [...new Set(of)];
  const { maxReferredResponses: most } = context.limits;
  if (turnIds.length > most) {
    const instead = "send the items themselves, or previous_response_id";
    throw invalid("input", `may name items of ${most} responses by their ids; ${instead}`);
  }
  const found = new Map<string, object>();
  for (let read = 0; read < turnIds.length; read += READ_AT_ONCE) {
    const some = turnIds.slice(read, read + READ_AT_ONCE);
    const outputs = await Promise.all(some.map((turnId) => readOutput(context, asker, turnId)));
    for (const item of outputs.flat()) found.set(item.id, item);
  }
  return found;
}

/** Nothing of a response that is not there, or is another's. */
async function readOutput(reader: TurnReader, asker: Asker, turnId: string) {
  try {
    return outputOf(turnId, endedOf(await readResponse(reader, asker, responseId(turnId))));
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return [];
    throw error;
  }
}
