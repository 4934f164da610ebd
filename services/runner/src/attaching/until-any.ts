/** The first of two to settle; what the other one does is nobody's concern any more. */
export async function untilAny<A, B>(one: Promise<A>, other: Promise<B>): Promise<A | B> {
  one.catch(() => undefined);
  other.catch(() => undefined);
  return Promise.race([one, other]);
}
