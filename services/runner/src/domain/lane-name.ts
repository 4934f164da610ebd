/** A lane as maps and batches are keyed: neither a tenant nor a canonical key has a line break. */
export function laneName(tenant: string, sessionKey: string): string {
  return `${tenant}\n${sessionKey}`;
}
