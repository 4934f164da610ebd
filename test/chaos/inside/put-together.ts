import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeBundle } from "../../../packages/cli/bundle/make-bundle.js";
import { MUTANTS } from "../mutants/mutants.ts";
import { type Patch, planted } from "./planted.ts";
import { POINTS } from "./points.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * The program with the points of its code in it, and with a fault where one is named, put together as the
 * product's own is and kept in `folder`: nothing of it is in the product.
 *
 * @returns what node is told before `start <service>`
 * @throws where there is no such fault, or the text of one is not found
 */
export async function putTogether(folder: string, mutant?: string): Promise<readonly string[]> {
  const fault = MUTANTS.filter(({ name }) => name === mutant);
  if (mutant !== undefined && fault.length === 0) throw new Error(`there is no fault ${mutant}`);
  const patches: readonly Patch[] = [...fault, ...POINTS];
  const path = await makeBundle({
    root: ROOT,
    entry: "test/chaos/inside/program.ts",
    cache: join(folder, "program"),
    change: (of, text) => patches.filter(({ file }) => file === of).reduce(planted, text),
  });
  return [path];
}
