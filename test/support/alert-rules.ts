import { readFileSync } from "node:fs";
import { join } from "node:path";

import { parser } from "@prometheus-io/lezer-promql";
import { parse } from "yaml";

/** A rule as Prometheus reads it. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

/** A series that an expression asks for. */
export interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
  /** Texts that labels are compared with, of a pattern each of its choices. */
  readonly values: readonly string[];
}

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export function readAlertRules(path: string): readonly AlertRule[] {
  const text = readFileSync(join(import.meta.dirname, "../..", path), "utf8");
  return (parse(text) as RuleFile).groups.flatMap(({ rules }) => rules);
}

/** By Prometheus' own grammar. @throws Error where it is no PromQL */
export function selectorsOf(expr: string): Selector[] {
  const found: { metric: string; labels: string[]; values: string[] }[] = [];
  parser.parse(expr).iterate({
    enter(node) {
      const text = expr.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`no PromQL at ${node.from}: ${expr}`);
      if (node.name === "VectorSelector") found.push({ metric: "", labels: [], values: [] });
      const last = found.at(-1);
      const parent = node.node.parent?.name;
      if (node.name === "Identifier" && parent === "VectorSelector" && last) last.metric = text;
      if (parent !== "UnquotedLabelMatcher" || last === undefined) return;
      if (node.name === "LabelName") last.labels.push(text);
      if (node.name === "StringLiteral") last.values.push(...text.slice(1, -1).split("|"));
    },
  });
  return found;
}

/** The names that a /metrics tells of, also where no sample stands yet, with the labels seen so far. */
export function toldMetrics(exposition: string): ReadonlyMap<string, ReadonlySet<string>> {
  const told = new Map<string, Set<string>>();
  for (const [, name = "", type] of exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    told.set(name, new Set());
    if (type === "histogram") told.set(`${name}_bucket`, new Set());
  }
  for (const [, name = "", labels = ""] of exposition.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    const seen = told.get(name);
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) seen?.add(label);
  }
  return told;
}
