import { readSettings } from "@lanekeeper/service";
import { CliError } from "../cli-error.ts";
import { baseUrl } from "../constellation/banner.ts";
import { dataDirAt } from "../constellation/folder/data-dir.ts";
import { readOptional } from "../constellation/folder/small-file.ts";
import { readState } from "../constellation/folder/state-file.ts";
import { createOperator, type Operator } from "./operator.ts";

/**
 * The operator of this environment: LANEKEEPER_URL, else what runs on the data dir, else the local
 * port; the key is LANEKEEPER_API_KEY, else the one in the data dir.
 */
export async function openOperator(): Promise<Operator> {
  const settings = readSettings();
  const dir = dataDirAt(settings.dataDir);
  const given = process.env["LANEKEEPER_URL"]?.trim().replace(/\/+$/, "");
  if (given && !URL.canParse(given)) {
    throw new CliError(
      `LANEKEEPER_URL is ${JSON.stringify(given)}: expected a URL such as http://127.0.0.1:8080.`,
    );
  }
  const url = given || (await readState(dir))?.url || baseUrl(settings);
  const apiKey = settings.apiKey?.reveal() ?? (await readOptional(dir.apiKeyFile));
  if (!apiKey) {
    throw new CliError(
      `There is no key in ${dir.apiKeyFile}: run this where "npm start" ran, set LANEKEEPER_DATA_DIR to ` +
        "its data dir, or set LANEKEEPER_API_KEY.",
    );
  }
  return createOperator(url, apiKey);
}
