import { packageVersion } from "@lanekeeper/service";
import { Command } from "commander";
import { describeError } from "./describe-error.ts";
import { type Output, outliveReaders, terminal } from "./output.ts";

/** The program. Sets the exit code; ends when what was asked for is done. */
export async function main(argv: readonly string[], output: Output = terminal): Promise<void> {
  outliveReaders();
  try {
    await program(output).parseAsync(argv);
  } catch (error) {
    output.problem(describeError(error));
    process.exitCode = 1;
  }
}

function program(output: Output): Command {
  const lanekeeper = new Command("lanekeeper")
    .description("Keeps a conversation in one place.")
    .version(packageVersion(import.meta.url))
    .showHelpAfterError("(--help tells what there is)");
  lanekeeper
    .command("start")
    .description("run everything on this machine, or, with a name, one service")
    .argument("[service]", "session-identity, runner, delivery or ingress")
    .action(async (service: string | undefined) => {
      // Loaded when asked for: a service process needs none of the supervisor, and the other way round.
      if (service === undefined) await (await import("./commands/start.ts")).start(output);
      else await (await import("./commands/start-service.ts")).startService(service);
    });
  lanekeeper
    .command("migrate")
    .description("make roles, schemas and tables on DATABASE_URL, or on the embedded Postgres")
    .action(async () => (await import("./commands/migrate.ts")).migrate(output));
  return lanekeeper;
}
