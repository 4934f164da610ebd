/** All answers about so many things, asked for in pages. */
export async function inPages<T, Answer>(
  things: readonly T[],
  pageSize: number,
  ask: (page: readonly T[]) => Promise<readonly Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let from = 0; from < things.length; from += pageSize) {
    answers.push(...(await ask(things.slice(from, from + pageSize))));
  }
  return answers;
}
