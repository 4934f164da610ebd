/** Variables of the developer's shell that would change what a test constellation does. */
const FOREIGN =
  /^(LANEKEEPER_|OPENAI_|OTEL_|PG)|^(DATABASE_URL|NODE_OPTIONS|NODE_ENV|https?_proxy|HTTPS?_PROXY|grpc_proxy)$/;

/** Every port free, and nothing that this shell has set for itself. */
export function freeEnvironment(given: Readonly<Record<string, string>>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !FOREIGN.test(entry[0]),
  );
  const ports = ["", "_INGRESS_GRPC", "_IDENTITY", "_RUNNER", "_DELIVERY"].map(
    (part) => `${part}_PORT`,
  );
  const admin = ["INGRESS", "IDENTITY", "RUNNER", "DELIVERY"].map((part) => `_${part}_ADMIN_PORT`);
  const free = [...ports, ...admin].map((name) => [`LANEKEEPER${name}`, "0"]);
  return { ...Object.fromEntries(inherited), ...Object.fromEntries(free), ...given };
}
