import { type KeyRefusal, refuseField } from "./refusal.ts";
import { characterProblem, toNfc } from "./text.ts";

declare const brand: unique symbol;

/** The name of a person to whom peers are linked: NFC, free of what rule 1 refuses. */
export type Person = string & { readonly [brand]: "Person" };

/** Puts a person's name into its one spelling. Case is kept: `Alice` and `alice` are two. */
export function parsePerson(text: string): Person | KeyRefusal {
  const problem = characterProblem(text);
  return problem ? refuseField("person", problem.message, problem.offset) : (toNfc(text) as Person);
}
