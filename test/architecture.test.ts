import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { describe, expect, test } from "vitest";

import { importCircles } from "./support/import-circles.ts";

const root = join(import.meta.dirname, "..");
const SHARED = ["collections", "protocol", "rpc", "postgres", "service", "client"];

/** Who may depend on whom; an import of another workspace needs a declared dependency. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "packages/collections": [],
  "packages/protocol": [],
  "packages/session-key": [],
  "packages/cron": [],
  "packages/addresses": [],
  "packages/embedded-postgres": [],
  "packages/postgres": [],
  "packages/service": [],
  "packages/rpc": ["collections", "protocol"],
  "packages/client": ["protocol", "rpc"],
  "packages/adapter-kit": ["protocol", "rpc", "client"],
  "packages/testing": [...SHARED, "embedded-postgres"],
  "packages/cli": [...SHARED, "cron", "embedded-postgres", "session-key", "services"],
  "services/session-identity": [...SHARED, "session-key"],
  "services/runner": [...SHARED, "addresses", "session-key"],
  "services/delivery": [...SHARED, "addresses", "session-key"],
  "services/ingress": [...SHARED, "adapter-kit", "cron", "session-key"],
};

const SERVICES = ["session-identity", "runner", "delivery", "ingress"];

/** Libraries that one package alone may import. */
const ONE_IMPORTER: Readonly<Record<string, string>> = {
  "@grpc/grpc-js": "packages/rpc",
  "@connectrpc/": "packages/rpc",
  pg: "packages/postgres",
  croner: "packages/cron",
  "ipaddr.js": "packages/addresses",
};

const workspaces = ["packages", "services"].flatMap((group) =>
  readdirSync(join(root, group)).map((name) => `${group}/${name}`),
);

function dependenciesOf(workspace: string): string[] {
  const manifest = JSON.parse(readFileSync(join(root, workspace, "package.json"), "utf8"));
  return Object.keys(manifest.dependencies ?? {});
}

function importsOf(workspace: string): string[] {
  const files = readdirSync(join(root, workspace, "src"), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.includes("test"))
    .flatMap((file) => {
      const text = readFileSync(join(root, workspace, "src", file), "utf8");
      return [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, name = ""]) => name);
    });
}

describe("imports go one way", () => {
  test.each(workspaces)("%s", (workspace) => {
    const allowed = ALLOWED[workspace];
    expect(allowed, `${workspace} has no entry in the table`).toBeDefined();
    const ours = dependenciesOf(workspace).filter((name) => name.startsWith("@lanekeeper/"));
    const others = ours
      .map((name) => name.slice("@lanekeeper/".length))
      .map((name) => (SERVICES.includes(name) ? "services" : name))
      .filter((name) => !allowed?.includes(name));
    expect(others).toEqual([]);
  });

  test.each(workspaces)("%s imports only what it declares", (workspace) => {
    const declared = new Set(dependenciesOf(workspace));
    const ours = importsOf(workspace)
      .filter((name) => name.startsWith("@lanekeeper/"))
      .map((name) => name.split("/").slice(0, 2).join("/"));
    expect([...new Set(ours)].filter((name) => !declared.has(name))).toEqual([]);
  });

  test.each(Object.entries(ONE_IMPORTER))("only one package imports %s", (library, owner) => {
    const importers = workspaces.filter((workspace) =>
      importsOf(workspace).some((name) =>
        library.endsWith("/") ? name.startsWith(library) : name === library,
      ),
    );
    expect(importers.filter((workspace) => workspace !== owner)).toEqual([]);
  });
});

/** Of a workspace's sources, by paths within it; types count, generated code and tests do not. */
function filesByImporter(workspace: string): Map<string, string[]> {
  const files = readdirSync(join(root, workspace, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .filter((file) => !file.startsWith("gen/"));
  return new Map(
    files.map((file) => {
      const text = readFileSync(join(root, workspace, "src", file), "utf8");
      const names = [...text.matchAll(/^(?:import|export|\}) .*from\s+"(\.[^"]+)";$/gm)];
      return [file, names.map(([, name = ""]) => join(dirname(file), name))];
    }),
  );
}

describe("no files import one another in a circle", () => {
  test.each(workspaces)("%s", (workspace) => {
    expect(importCircles(filesByImporter(workspace))).toEqual([]);
  });

  test("a circle is told, however long, and a file that two import is none", () => {
    const imports = new Map([
      ["a", ["b", "d"]],
      ["b", ["c", "d"]],
      ["c", ["a"]],
      ["d", []],
    ]);
    expect(importCircles(imports)).toEqual(["a → b → c → a"]);
    expect(importCircles(new Map([...imports, ["c", ["d"]]]))).toEqual([]);
  });
});

describe("domain/ is pure", () => {
  const domains = SERVICES.map((service) => join(root, "services", service, "src/domain"));

  test.each(domains.filter((folder) => existsSync(folder)))("%s", (folder) => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const impure = files
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => {
        const text = readFileSync(join(folder, file), "utf8");
        const names = [...text.matchAll(/from\s+"([^"]+)"/g)].map(([, name = ""]) => name);
        return names.filter((name) =>
          /^(?:pg|kysely|@lanekeeper\/postgres|\.\.\/(?:store|rpc)\/)/.test(name),
        );
      });
    expect(impure).toEqual([]);
  });
});

test("a test that takes over timers, environment or modules has a process to itself", () => {
  const takesOver = /vi\.(useFakeTimers|stubEnv|stubGlobal|mock|doMock)\(/;
  const among = workspaces.flatMap((workspace) =>
    readdirSync(join(root, workspace, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts") && !file.endsWith(".alone.test.ts"))
      .map((file) => join(workspace, "src", file)),
  );
  const found = among.filter((file) => takesOver.test(readFileSync(join(root, file), "utf8")));
  expect(found, "name it *.alone.test.ts").toEqual([]);
});

test("no signal is made by AbortSignal.any: Node 20 forgets what only it holds, and keeps who listens to it", () => {
  const found = workspaces
    .flatMap((workspace) =>
      readdirSync(join(root, workspace, "src"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => join(workspace, "src", file)),
    )
    .filter((file) =>
      /^(?! *(\*|\/\/)).*AbortSignal\.any\(/m.test(readFileSync(join(root, file), "utf8")),
    );
  expect(found, "use linkedSignal or boundedSignal of @lanekeeper/service").toEqual([]);
});

test("nothing of ours stands on AsyncLocalStorage: one that has run costs every promise its hooks", () => {
  const importers = workspaces.filter((workspace) =>
    importsOf(workspace).some((name) =>
      ["node:async_hooks", "async_hooks", "@opentelemetry/context-async-hooks"].includes(name),
    ),
  );
  expect(importers, "tell what needs it, see docs/decisions/0043").toEqual([]);
});
