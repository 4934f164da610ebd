/** All of what comes in pages. */
export async function allPages<P extends { readonly nextPageToken: string }, T>(
  read: (pageToken: string) => Promise<P>,
  of: (page: P) => readonly T[],
): Promise<T[]> {
  const found: T[] = [];
  for (let token = ""; ; ) {
    const page = await read(token);
    found.push(...of(page));
    token = page.nextPageToken;
    if (token === "") return found;
  }
}
