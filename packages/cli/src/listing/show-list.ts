import type { DescMessage } from "@bufbuild/protobuf";
import type { Output } from "../output.ts";
import { jsonRows } from "./json-rows.ts";
import { lineRows } from "./line-rows.ts";
import type { Listing } from "./listing.ts";
import type { PageOptions } from "./page-options.ts";
import { readPages } from "./read-pages.ts";

export interface ListOptions extends PageOptions {
  readonly json?: true;
}

/**
 * Writes a list as it comes, page by page, until its end, its limit, or its reader's leaving. That it was
 * cut is told: by `nextPageToken` in a document, by a line beside the rows for people.
 */
export async function showList<Schema extends DescMessage>(
  listing: Listing<Schema>,
  options: ListOptions,
  output: Output,
): Promise<void> {
  const rows = options.json ? jsonRows(listing, output) : lineRows(listing, output);
  const reader = output.readerLeft();
  let next = "";
  try {
    for await (const page of readPages(listing.ask, options)) {
      rows.write(page.rows);
      next = page.nextPageToken;
      if (reader.aborted) return;
    }
  } catch (error) {
    if (next !== "") output.problem(`the list broke off: "--page-token ${next}" goes on behind it`);
    throw error;
  }
  rows.end(next);
}
