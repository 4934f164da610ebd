/** The services that call each other, and the operator's program. */
export const SERVICE_NAMES = ["session-identity", "runner", "delivery", "ingress", "cli"] as const;

export type ServiceName = (typeof SERVICE_NAMES)[number];

export function isServiceName(text: string): text is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(text);
}
