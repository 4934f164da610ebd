import type { Mutant } from "./mutants.ts";

/** The text with the fault in it. @throws where it is not found, or twice: it would be a fault no more */
export function planted(source: string, { name, file, find, put }: Mutant): string {
  const found = source.split(find).length - 1;
  if (found !== 1) throw new Error(`${name}: its text is found ${found} times in ${file}`);
  return source.replace(find, () => put);
}
