/** A message on its way. The key is one that the identity process has. */
export interface Asked {
  readonly id: string;
  readonly key: string;
  readonly session: string;
  readonly generation: number;
  readonly text: string;
}

/** What the identity process is asked: who stands under a key, or to let a run begin or end. */
export type Step =
  | { readonly kind: "resolve"; readonly key: string }
  | {
      readonly kind: "begin" | "end";
      readonly key: string;
      readonly generation: number;
      readonly turn: string;
      readonly run: string;
    };

/** Who stands under a key; for a run: whether it may. */
export type Stood = Pick<Asked, "session" | "generation"> | boolean;
