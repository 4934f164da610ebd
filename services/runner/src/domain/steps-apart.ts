/**
 * What stands between what an agent said in one step of its answer and in the next: a model begins each anew,
 * and "Let me look." with "It is five." behind it is to be read as two. Empty where either has white space there.
 */
export function gapBetween(before: string, next: string): string {
  const isApart = before === "" || next === "" || /\s$/.test(before) || /^\s/.test(next);
  return isApart ? "" : "\n\n";
}
