const SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract):/;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}:\d{1,5}$/;
const IPV6 = /^\[[0-9a-fA-F:.%]+\]:\d{1,5}$/;

/**
 * Where a client finds its replicas: `dns:///name:port` (every address of the name is a replica),
 * `host:port`, or a comma list of address:port. Calls go round all that answer.
 * @throws Error for a list with names in it, which no resolver takes
 */
export function grpcTarget(target: string): string {
  const trimmed = target.trim();
  if (trimmed === "") throw new Error("the target is empty");
  if (SCHEME.test(trimmed) || !trimmed.includes(",")) return trimmed;
  const items = trimmed
    .split(",")
    .map((item) => item.trim().replace(/^localhost:/, "127.0.0.1:"))
    .filter((item) => item !== "");
  if (items.every((item) => IPV4.test(item))) return `ipv4:${items.join(",")}`;
  if (items.every((item) => IPV6.test(item))) return `ipv6:${items.join(",")}`;
  throw new Error(
    `a list of targets takes addresses of one family, such as 10.0.0.1:7101,10.0.0.2:7101; ` +
      `for a name use dns:///name:port (got ${target})`,
  );
}
