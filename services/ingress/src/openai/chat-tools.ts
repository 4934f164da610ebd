import { invalid } from "@lanekeeper/rpc";
import {
  type Field,
  fieldOf,
  isAbsent,
  itemOf,
  requireList,
  requireName,
  requireObject,
} from "./field.ts";

/**
 * A client's tools go on to the model as they came, and its calls come back as calls of functions. So they
 * must be functions: a call of another kind would be read as one that has no name.
 * @throws INVALID_REQUEST naming the path
 */
export function requireFunctions(tools: Field): void {
  if (isAbsent(tools)) return;
  for (const [index, item] of requireList(tools).entries()) {
    const field = itemOf(tools, index, item);
    const tool = requireObject(field);
    const type = fieldOf(tool, "type", field.path);
    if (!isAbsent(type) && type.value !== "function") {
      throw invalid(type.path, "must be function: other tools are the agent's own");
    }
    const callee = fieldOf(tool, "function", field.path);
    requireName(fieldOf(requireObject(callee), "name", callee.path));
  }
}
