import { SERVICE_NAMES, type ServiceName } from "@lanekeeper/service";
import { CliError } from "../cli-error.ts";

const MAIN_MODULES: Readonly<
  Record<ServiceName, () => Promise<{ readonly ended: Promise<number> }>>
> = {
  "session-identity": () => import("../../../../services/session-identity/src/main.ts"),
  runner: () => import("../../../../services/runner/src/main.ts"),
  delivery: () => import("../../../../services/delivery/src/main.ts"),
  ingress: () => import("../../../../services/ingress/src/main.ts"),
};

/**
 * `lanekeeper start <service>`: that service in this process. Its `src/main.ts` reads the environment
 * and runs until a signal, or the end of the supervisor, ends it.
 */
export async function startService(name: string): Promise<void> {
  const service = SERVICE_NAMES.find((known) => known === name);
  if (service === undefined) {
    throw new CliError(
      `There is no service ${name}: start one of ${SERVICE_NAMES.join(", ")}, or, without a name, all of them.`,
    );
  }
  const { ended } = await MAIN_MODULES[service]();
  await ended;
}
