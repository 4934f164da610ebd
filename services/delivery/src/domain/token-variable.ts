/**
 * Whether an environment variable may be named as a channel's token. What a configuration names is sent to
 * the channel, so it must not be a database's password or another service's key: the name has to say
 * that it is meant for a channel.
 */
export function isTokenVariable(name: string, maxChars: number): boolean {
  if (name.length > maxChars || !/^[A-Z_][A-Z0-9_]*$/.test(name)) return false;
  return /(^|_)(SLACK|TELEGRAM)(_|$)/.test(name);
}
