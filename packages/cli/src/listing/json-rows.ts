import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { documentText, type Output } from "../output.ts";
import type { Listing, RowWriter } from "./listing.ts";

/**
 * The service's answer as one document over all pages, written as they come. Its `nextPageToken` is
 * there where the list was cut. A list that breaks off leaves a text that is no JSON: nobody takes it
 * for whole.
 */
export function jsonRows<Schema extends DescMessage>(
  { field, schema }: Pick<Listing<Schema>, "field" | "schema">,
  output: Output,
): RowWriter<MessageShape<Schema>> {
  let hasBegun = false;
  /** Written once it is known whether a comma follows. */
  let held: string | undefined;
  return {
    write: (rows) => {
      if (!hasBegun) output.text(`{\n  ${JSON.stringify(field)}: [`);
      hasBegun = true;
      for (const row of rows) {
        if (held !== undefined) output.text(`${held},`);
        held = indented(documentText(toJson(schema, row)));
      }
    },
    end: (nextPageToken) => {
      if (held !== undefined) output.text(held);
      const more = `,\n  "nextPageToken": ${JSON.stringify(nextPageToken)}`;
      output.text(`  ]${nextPageToken === "" ? "" : more}\n}`);
    },
  };
}

/** A line break within a JSON text is never part of a string. */
function indented(json: string): string {
  return `    ${json.replaceAll("\n", "\n    ")}`;
}
