/** The service processes, by the names that logs, metrics and traces show. */
export const SERVICE_NAMES = ["session-identity", "runner", "delivery", "ingress"] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];
