import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Output } from "../output.ts";
import type { Listing, RowWriter } from "./listing.ts";

/**
 * A line for each row, and nothing else on standard output where there are any; that a list was cut is
 * told beside it.
 */
export function lineRows<Schema extends DescMessage>(
  { line, none }: Pick<Listing<Schema>, "line" | "none">,
  output: Output,
): RowWriter<MessageShape<Schema>> {
  let isEmpty = true;
  return {
    write: (rows) => {
      isEmpty &&= rows.length === 0;
      for (const row of rows) output.line(line(row));
    },
    end: (nextPageToken) => {
      if (isEmpty) none();
      if (nextPageToken === "") return;
      output.problem(
        `there are more: "--limit all" lists all, "--page-token ${nextPageToken}" goes on behind these`,
      );
    },
  };
}
