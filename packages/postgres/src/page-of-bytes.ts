/** What `pageOfBytes` adds to each row. */
export interface PageRow {
  /** Rows that there were before those too many were left out. */
  readonly pageRows: number;
}

interface PageTerms {
  /** Selects the rows of a page, and one more; `pageBytes` among its columns is what each takes. */
  readonly select: string;
  /** By its columns. */
  readonly order: string;
  /** A placeholder, or a number. */
  readonly maxBytes: string;
}

/**
 * The SQL of a page's rows up to those that take so many bytes, the first always, and the one that goes over:
 * an answer holds whole rows, and a page of large ones would be more than any caller takes.
 */
export function pageOfBytes({ select, order, maxBytes }: PageTerms): string {
  return `
SELECT * FROM (
  SELECT page.*, count(*) OVER ()::int AS "pageRows", coalesce(sum("pageBytes") OVER (ORDER BY ${order}
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS "bytesBefore"
  FROM (${select}) page
) told WHERE "bytesBefore" < ${maxBytes} ORDER BY ${order}`;
}

/** The first `limit` of the rows that were told, and whether there are more behind them. */
export function pageOf<Row extends PageRow>(
  rows: readonly Row[],
  limit: number,
): { readonly page: readonly Row[]; readonly isMore: boolean } {
  const page = rows.slice(0, limit);
  return { page, isMore: (rows[0]?.pageRows ?? 0) > page.length };
}
