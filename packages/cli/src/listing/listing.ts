import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Page, PageRequest } from "./read-pages.ts";

/** A list, as a command shows it. */
export interface Listing<Schema extends DescMessage> {
  /** Asks a service for one page. */
  readonly ask: (page: PageRequest) => Promise<Page<MessageShape<Schema>>>;
  readonly schema: Schema;
  /** The rows' field in the service's answer, in protobuf's JSON. */
  readonly field: string;
  /** A row, for people. */
  readonly line: (row: MessageShape<Schema>) => string;
  /** Tells people that there are no rows. */
  readonly none: () => void;
}

/** How rows are written. */
export interface RowWriter<Row> {
  write(rows: readonly Row[]): void;
  /** All that was asked for was written; a token: there are more. */
  end(nextPageToken: string): void;
}
