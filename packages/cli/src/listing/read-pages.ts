import type { PageOptions } from "./page-options.ts";

/** What one call of a List… RPC answers. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Empty at the end. */
  readonly nextPageToken: string;
}

export interface PageRequest {
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** The largest page that every List… RPC of these commands gives; of ListLanes it is the largest. */
const PAGE_SIZE = 200;

/**
 * Page after page, up to the limit: never more than one of them in memory. The last page's token is
 * where a list that was cut goes on.
 */
export async function* readPages<Row>(
  ask: (page: PageRequest) => Promise<Page<Row>>,
  { limit, pageToken = "" }: PageOptions,
): AsyncGenerator<Page<Row>, void> {
  let left = limit;
  let token = pageToken;
  do {
    const page = await ask({ pageSize: Math.min(left, PAGE_SIZE), pageToken: token });
    yield page;
    left -= page.rows.length;
    token = page.nextPageToken;
  } while (left > 0 && token !== "");
}
