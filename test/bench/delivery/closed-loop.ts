/** Does something `total` times, `inFlight` at once, each as soon as one before it is done. */
export async function closedLoop(
  total: number,
  inFlight: number,
  work: (n: number) => Promise<unknown>,
): Promise<void> {
  const numbers = Array.from({ length: total }, (_, n) => n).values();
  const worker = async (): Promise<void> => {
    for (const n of numbers) await work(n);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}
