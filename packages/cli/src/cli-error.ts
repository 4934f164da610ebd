/** Something that a person can mend; the message is a whole sentence that says how. */
export class CliError extends Error {
  override readonly name = "CliError";
}
