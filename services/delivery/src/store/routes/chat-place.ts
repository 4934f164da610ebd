/** A conversation of an account, whatever the thread in it. */
export interface ChatPlace {
  readonly tenant: string;
  /** RouteKind. */
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
}

/** As the first four parameters of a statement. */
export function placeParams({ tenant, kind, accountId, address }: ChatPlace): unknown[] {
  return [tenant, kind, accountId, address];
}
