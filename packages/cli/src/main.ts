import { type Output, outliveReaders, terminal } from "./output.ts";
import { program } from "./program.ts";

/** Runs the program. Sets the exit code; ends when what was asked for is done. */
export async function main(argv: readonly string[], output: Output = terminal): Promise<void> {
  outliveReaders();
  try {
    await program(output).parseAsync(argv);
  } catch (error) {
    // Loaded when there is one: it knows the errors of every package.
    const { describeError } = await import("./describe-error.ts");
    output.problem(describeError(error));
    process.exitCode = 1;
  }
}
