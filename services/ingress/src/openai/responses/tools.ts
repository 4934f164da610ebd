import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import {
  type Field,
  fieldOf,
  isAbsent,
  itemOf,
  requireList,
  requireName,
  requireObject,
} from "../field.ts";

/** The client's functions as chat completions name them. @throws INVALID_REQUEST for other tools */
export function chatTools(tools: Field): object[] | undefined {
  if (isAbsent(tools)) return undefined;
  return requireList(tools).map((item, index) => chatTool(itemOf(tools, index, item)));
}

function chatTool(field: Field): object {
  const { type, ...fn } = requireObject(field);
  if (type !== "function") {
    throw invalid(`${field.path}.type`, "must be function: other tools are the agent's own");
  }
  requireName(fieldOf(fn, "name", field.path));
  return { type, function: withoutNull(fn) };
}

/** The same in the words of the Responses API. */
export function responseTools(tools: unknown): object[] {
  if (!Array.isArray(tools)) return [];
  return tools.filter(isObject).map((tool) => {
    const fn = isObject(tool["function"]) ? tool["function"] : {};
    return { type: "function", description: null, parameters: null, strict: null, ...fn };
  });
}

/** @throws INVALID_REQUEST */
export function chatToolChoice(choice: Field): unknown {
  if (isAbsent(choice) || typeof choice.value === "string") return choice.value;
  const given = requireObject(choice);
  switch (given["type"]) {
    case "function":
      return chatFunction(choice, given);
    case "allowed_tools": {
      const list = fieldOf(given, "tools", choice.path);
      const tools = requireList(list).map((item, index) => {
        const one = itemOf(list, index, item);
        return chatFunction(one, requireObject(one));
      });
      return { type: "allowed_tools", allowed_tools: { mode: given["mode"] ?? "auto", tools } };
    }
    default:
      throw invalid(`${choice.path}.type`, "must be function or allowed_tools");
  }
}

function chatFunction({ path }: Field, given: JsonObject): object {
  return { type: "function", function: { name: requireName(fieldOf(given, "name", path)) } };
}

/** The same in the words of the Responses API. */
export function responseToolChoice(choice: unknown): unknown {
  if (!isObject(choice)) return choice ?? "auto";
  const allowed = choice["allowed_tools"];
  if (!isObject(allowed)) return responseFunction(choice);
  const tools = Array.isArray(allowed["tools"]) ? allowed["tools"] : [];
  return { type: "allowed_tools", mode: allowed["mode"], tools: tools.map(responseFunction) };
}

function responseFunction(choice: unknown): object {
  const fn = isObject(choice) ? choice["function"] : undefined;
  return { type: "function", name: isObject(fn) ? fn["name"] : null };
}

function withoutNull(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
