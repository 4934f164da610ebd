import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { knownVariables, type Variable, variables } from "@lanekeeper/service";
import { describe, expect, test } from "vitest";
import { readAlertRules, selectorsOf } from "./support/alert-rules.ts";
import { headings } from "./support/headings.ts";

test.each([
  ...[
    "docs/adapters.md",
    "docs/keys.md",
    "docs/operations/README.md",
    "docs/operations/rpcs.md",
    "docs/operations/backup.md",
    "docs/operations/settings.md",
    "docs/openai-compatibility.md",
  ],
])("what %s links to is there", (path) => {
  const page = join(import.meta.dirname, "..", path);
  const text = readFileSync(page, "utf8");
  const links = [...text.matchAll(/\]\((?!http)([^)]+)\)/g)].map(([, link = ""]) => link);
  expect(links.length).toBeGreaterThan(0);
  for (const link of links) {
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? page : join(page, "..", file);
    expect(existsSync(target), link).toBe(true);
    if (anchor !== undefined)
      expect(headings(readFileSync(target, "utf8")), link).toContain(anchor);
  }
});

describe("docs/operations/settings.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../docs/operations/settings.md"), "utf8");
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (.+?) \| (.+?) \|$/gm)];
  const names = rows.map(([, name = ""]) => name);

  test("has each variable that the code knows once, and no other", () => {
    expect(names.toSorted()).toEqual([...knownVariables].toSorted());
  });

  test("has the defaults of the code", () => {
    const shown = new Map(rows.map(([, name = "", cell = ""]) => [name, cell]));
    for (const { name, parse, fallback } of Object.values<Variable<unknown>>(variables)) {
      const value = /^`([^`]+)`$/.exec(shown.get(name) ?? "")?.[1];
      if (fallback !== undefined) expect([name, parse(value ?? "")]).toEqual([name, fallback]);
    }
  });

  test("no variable is read that is not known", () => {
    const code = sourceOf("services") + sourceOf("packages");
    const read = [...code.matchAll(/"(LANEKEEPER_[A-Z_]*[A-Z])"/g)].map(([, name = ""]) => name);
    expect(read.length).toBeGreaterThan(names.length / 2);
    expect(read.filter((name) => !knownVariables.includes(name))).toEqual([]);
  });
});

describe("docs/operations/alerts.yaml", () => {
  const rules = readAlertRules("docs/operations/alerts.yaml");
  const README = join(import.meta.dirname, "../docs/operations/README.md");

  test("what labels are compared with is written by some service", () => {
    const code = sourceOf("services") + sourceOf("packages/rpc");
    const values = rules.flatMap(({ expr }) => selectorsOf(expr)).flatMap((one) => one.values);
    const words = values.filter((value) => /^\w+$/.test(value));
    expect(words.length).toBeGreaterThan(8);
    expect(words.filter((word) => !new RegExp(`["\\s]${word}[":]`).test(code))).toEqual([]);
  });

  test("every rule has a name of its own, a reason, and a screen that there is", () => {
    const text = readFileSync(join(README, "../alerts.yaml"), "utf8");
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    expect(text.match(/- alert: \w+\n +#/g)).toHaveLength(rules.length);
    const anchors = headings(readFileSync(README, "utf8"));
    for (const { annotations, labels } of rules) {
      expect(anchors).toContain(annotations.runbook.slice(1));
      expect(["warning", "critical"]).toContain(labels.severity);
    }
  });

  test("what is no PromQL is noticed", () => {
    expect(() => selectorsOf("sum(rate(a[5m]) >")).toThrow("no PromQL");
  });
});

/** The code of a folder, without its tests. */
function sourceOf(folder: string): string {
  const root = join(import.meta.dirname, "..", folder);
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter(
      (file) => /(^|\/)src\/.*\.ts$/.test(file) && !/node_modules|\.test\.ts$|testing\//.test(file),
    )
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n");
}
