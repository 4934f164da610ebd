import { SERVICE_NAMES } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { migrationsOf, schemaOf } from "./prepare-database.ts";

test.each(SERVICE_NAMES)("%s looks for its tables where migrate puts them", async (service) => {
  const index = new URL(`../../../../../services/${service}/src/index.ts`, import.meta.url).href;
  const { SCHEMA, MIGRATIONS } = (await import(index)) as { SCHEMA: string; MIGRATIONS: string };
  expect(schemaOf(service)).toBe(SCHEMA);
  expect(migrationsOf(service)).toBe(MIGRATIONS);
});
