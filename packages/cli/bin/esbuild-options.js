/** How TypeScript becomes JavaScript, whether a module alone or a program's together. */
export const OPTIONS = {
  format: "esm",
  // The oldest Node that we run on: `using` is not known there.
  target: "node20.19",
  sourcesContent: false,
};
