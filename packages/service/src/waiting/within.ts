/** How something with a time limit ended. */
export type Finish =
  | { readonly kind: "done" }
  | { readonly kind: "late" }
  | { readonly kind: "failed"; readonly error: unknown };

/** Does `work` and waits for it at most `ms`; late work goes on unwatched, and what it throws then is dropped. */
export async function finishWithin(ms: number, work: () => unknown): Promise<Finish> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finish>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "late" }), ms);
  });
  try {
    return await Promise.race([finish(work), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function finish(work: () => unknown): Promise<Finish> {
  try {
    await work();
    return { kind: "done" };
  } catch (error) {
    return { kind: "failed", error };
  }
}
