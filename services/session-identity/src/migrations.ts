import { fileURLToPath } from "node:url";

/** The folder of the `NNNN_name.sql` files, for `lanekeeper migrate` and the check at the start. */
export const MIGRATIONS = fileURLToPath(new URL("../migrations", import.meta.url));

/** The schema that the tables are in. */
export const SCHEMA = "lanekeeper_identity";
