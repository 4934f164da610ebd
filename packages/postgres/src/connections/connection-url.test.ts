import pg from "pg";
import { expect, test } from "vitest";
import { urlForRole, urlWithSearchPath, whereIs } from "./connection-url.ts";
import { parseSqlName } from "../schema/sql-name.ts";

test("a URL for another role keeps the rest", () => {
  expect(
    urlForRole("postgres://admin:old@db:5433/main?sslmode=require", "runner", "p@ss:/?#"),
  ).toBe("postgres://runner:p%40ss%3A%2F%3F%23@db:5433/main?sslmode=require");
});

test("user and password given as parameters are replaced too, as they would win", () => {
  expect(urlForRole("postgres://db/main?user=admin&password=old", "runner", "new")).toBe(
    "postgres://runner:new@db/main",
  );
});

test("a socket's URL takes them as parameters, having no place for user info", () => {
  const url = new URL(urlForRole("postgres:///main?host=/run/postgresql", "runner", "new"));
  expect(Object.fromEntries(url.searchParams)).toEqual({
    host: "/run/postgresql",
    user: "runner",
    password: "new",
  });
});

test("a search path stands beside the options that are there", () => {
  const url = new URL(
    urlWithSearchPath("postgres://db/main?options=-c%20work_mem%3D1MB", ["runner"]),
  );
  expect(url.searchParams.get("options")).toBe("-c work_mem=1MB -c search_path=runner");
});

test("a password with a percent sign that nobody escaped stays what it was, and so do the settings", () => {
  const login = (url: string) => new pg.Client({ connectionString: url });
  const url = "postgres://runner:100%safe@db/main";
  const withSettings = urlWithSearchPath(url, ["runner"]);
  expect(login(url).password).toBe("100%safe");
  expect(login(withSettings).password).toBe("100%safe");
  expect(Reflect.get(login(withSettings), "connectionParameters").options).toBe(
    "-c search_path=runner",
  );
});

test("a place is told without credentials, also of what is no URL", () => {
  expect(whereIs("postgres://admin:secret@db/main")).toBe("db:5432");
  expect(whereIs("secret")).toBe("an address that is no URL");
});

test.each(["", "Runner", "1st", "a-b", "a;b", "pg_runner", "a".repeat(64)])(
  "%j is no SQL name",
  (text) => {
    expect(() => parseSqlName(text)).toThrow("no name for a role or schema");
  },
);
