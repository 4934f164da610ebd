/** A word that tells when it was said, in milliseconds since 1970. */
export function wordNow(): string {
  return `${nowMs().toFixed(2)} `;
}

/** How late the words of a piece of text are, in milliseconds, in their order. */
export function latenessOf(text: string): number[] {
  const heardMs = nowMs();
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => heardMs - Number(word));
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
