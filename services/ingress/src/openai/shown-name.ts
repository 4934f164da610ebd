/** A name that a client sent, as far as an error repeats it. */
const MAX_CHARS = 100;

export function shownName(name: string): string {
  return name.length > MAX_CHARS ? `${name.slice(0, MAX_CHARS)}...` : name;
}
