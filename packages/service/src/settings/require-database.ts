import { EnvError } from "./env.ts";
import type { ServiceName } from "./services.ts";
import type { Settings } from "./settings.ts";

const VARIABLE: Readonly<Record<ServiceName, string>> = {
  "session-identity": "LANEKEEPER_IDENTITY_DATABASE_URL",
  runner: "LANEKEEPER_RUNNER_DATABASE_URL",
  delivery: "LANEKEEPER_DELIVERY_DATABASE_URL",
  ingress: "LANEKEEPER_INGRESS_DATABASE_URL",
};

/** A service that is started alone has no embedded Postgres beside it. @throws EnvError */
export function requireDatabase(
  { services }: Pick<Settings, "services">,
  service: ServiceName,
): void {
  if (services[service].databaseUrl !== undefined) return;
  const variable = VARIABLE[service];
  const sentence =
    `${service} has no database: set ${variable} or DATABASE_URL to a Postgres URL, ` +
    "or run `npm start`, which brings one along for all services.";
  throw new EnvError([{ variable, sentence }]);
}
