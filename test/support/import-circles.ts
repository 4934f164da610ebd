/** Which files each file imports from. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/**
 * The circles of files that import one another, each as a path that comes back to where it begins; types count
 * too. Of those that share a file one is told at least, so that there is none if nothing is told.
 */
export function importCircles(imports: Imports): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];

  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      circles.push([...path.slice(at), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const other of imports.get(file) ?? []) visit(other);
    path.pop();
    done.add(file);
  };

  for (const file of imports.keys()) visit(file);
  return circles;
}
