/** A change of a source file on its way to a process of the harness. */
export interface Patch {
  readonly name: string;
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly put: string;
}

/** The text with the change in it. @throws where it is not found, or twice: it would change nothing, or too much */
export function planted(source: string, { name, file, find, put }: Patch): string {
  const found = source.split(find).length - 1;
  if (found !== 1) throw new Error(`${name}: its text is found ${found} times in ${file}`);
  return source.replace(find, () => put);
}
