/**
 * Sets an entry as the newest of a map, which keeps so many: one more makes the oldest go. A Map keeps the order
 * of insertion.
 */
export function keepNewest<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
