import { parser } from "@prometheus-io/lezer-promql";
import { type Element, histogramQuantiles, increaseOf } from "./functions.ts";
import { type Labels, labelsId, type Sample, type ScrapedSeries, type Scrapes } from "./scrapes.ts";

type Node = ReturnType<typeof parser.parse>["topNode"];
type Vector = readonly Element[];

/** An instant is answered with what was scraped in the last five minutes, as Prometheus does. */
const LOOK_BACK_SECONDS = 300;

/**
 * What an expression gives at a time: an empty vector is "does not fire". It knows the part of PromQL that
 * the alerting rules are written in. @throws Error for the rest
 */
export function evaluate(expr: string, scrapes: Scrapes, atSeconds: number): Vector {
  return new Evaluation(expr, scrapes).vector(child(parser.parse(expr).topNode, 0), atSeconds);
}

class Evaluation {
  readonly #expr: string;
  readonly #scrapes: Scrapes;

  constructor(expr: string, scrapes: Scrapes) {
    this.#expr = expr;
    this.#scrapes = scrapes;
  }

  vector(node: Node, at: number): Vector {
    switch (node.name) {
      case "VectorSelector":
        return this.#instant(node, at);
      case "AggregateExpr":
        return this.#aggregate(node, at);
      case "FunctionCall":
        return this.#call(node, at);
      case "BinaryExpr":
        return this.#binary(node, at);
      case "NumberDurationLiteral":
        return [{ labels: {}, value: Number(this.#text(node)) }];
      default:
        throw new Error(`no rule is written with ${node.name} yet: ${this.#text(node)}`);
    }
  }

  #instant(node: Node, at: number): Vector {
    return this.#select(node).flatMap(({ labels, samples }) => {
      const last = samplesIn(samples, at - LOOK_BACK_SECONDS, at).at(-1);
      return last === undefined ? [] : [{ labels, value: last.value }];
    });
  }

  #aggregate(node: Node, at: number): Vector {
    const of = this.vector(child(the(node, "FunctionCallBody"), 0), at);
    const by = children(node.getChild("AggregateModifier")?.getChild("GroupingLabels"));
    const names = by.filter(({ name }) => name === "LabelName").map((one) => this.#text(one));
    const how = this.#text(the(node, "AggregateOp"));
    const groups = new Map<string, { labels: Labels; values: number[] }>();
    for (const { labels, value } of of) {
      const kept = Object.fromEntries(names.map((name) => [name, labels[name] ?? ""]));
      const group = groups.get(JSON.stringify(kept)) ?? { labels: kept, values: [] };
      group.values.push(value);
      groups.set(JSON.stringify(kept), group);
    }
    return [...groups.values()].map(({ labels, values }) => ({
      labels,
      value: how === "max" ? Math.max(...values) : sum(values, how),
    }));
  }

  #call(node: Node, at: number): Vector {
    const name = this.#text(the(node, "FunctionIdentifier"));
    const body = the(node, "FunctionCallBody");
    if (name === "histogram_quantile") {
      const quantile = Number(this.#text(child(body, 0)));
      return histogramQuantiles(quantile, this.vector(child(body, 1), at));
    }
    if (name === "min_over_time") return this.#minOver(child(body, 0), at);
    if (name !== "rate" && name !== "increase") throw new Error(`${name}() is not known`);
    const matrix = child(body, 0);
    const range = this.#seconds(the(matrix, "DurationExpr"));
    return this.#select(the(matrix, "VectorSelector")).flatMap(({ labels, samples }) => {
      const grown = increaseOf(samplesIn(samples, at - range, at), range);
      return grown === undefined
        ? []
        : [{ labels, value: name === "rate" ? grown / range : grown }];
    });
  }

  /** Of one series, such as a sum has. */
  #minOver(node: Node, at: number): Vector {
    const [range = 0, step = 0] = node.getChildren("DurationExpr").map((one) => this.#seconds(one));
    const values: number[] = [];
    for (let back = 0; back < range; back += step) {
      for (const { value } of this.vector(child(node, 0), at - back)) values.push(value);
    }
    return values.length === 0 ? [] : [{ labels: {}, value: Math.min(...values) }];
  }

  #binary(node: Node, at: number): Vector {
    const [leftNode, operator, rightNode] = children(node);
    if (leftNode === undefined || operator === undefined || rightNode === undefined) {
      throw new Error(`no binary expression: ${this.#text(node)}`);
    }
    const [left, right] = [this.vector(leftNode, at), this.vector(rightNode, at)];
    if (operator.name === "Unless") {
      return left.filter(({ labels }) => !right.some((other) => sameLabels(labels, other.labels)));
    }
    const isNumber = rightNode.name === "NumberDurationLiteral";
    return left.flatMap(({ labels, value }) => {
      const other = isNumber ? right[0] : right.find((one) => sameLabels(labels, one.labels));
      if (other === undefined) return [];
      if (operator.name === "Div") return [{ labels, value: value / other.value }];
      return compare(operator.name, value, other.value) ? [{ labels, value }] : [];
    });
  }

  #select(node: Node): readonly ScrapedSeries[] {
    const metric = this.#text(the(node, "Identifier"));
    const matchers = children(node.getChild("LabelMatchers") ?? undefined).map((matcher) => ({
      name: this.#text(the(matcher, "LabelName")),
      how: this.#text(the(matcher, "MatchOp")),
      value: this.#text(the(matcher, "StringLiteral")).slice(1, -1),
    }));
    return this.#scrapes.all.filter(({ labels }) => {
      if (labels["__name__"] !== metric) return false;
      return matchers.every(({ name, how, value }) => matches(labels[name] ?? "", how, value));
    });
  }

  #seconds(node: Node): number {
    const [, count = "0", unit = ""] = /^(\d+)([smh])$/.exec(this.#text(node)) ?? [];
    return Number(count) * ({ s: 1, m: 60, h: 3_600 }[unit] ?? Number.NaN);
  }

  #text({ from, to }: Node): string {
    return this.#expr.slice(from, to);
  }
}

function sum(values: readonly number[], how: string): number {
  if (how !== "sum") throw new Error(`${how} is not known`);
  return values.reduce((total, value) => total + value, 0);
}

function compare(operator: string, left: number, right: number): boolean {
  if (operator === "Gtr") return left > right;
  if (operator === "Gte") return left >= right;
  if (operator === "Eql") return left === right;
  throw new Error(`${operator} is not known`);
}

function matches(value: string, how: string, wanted: string): boolean {
  if (how === "=") return value === wanted;
  if (how === "!=") return value !== wanted;
  if (how === "=~") return new RegExp(`^(?:${wanted})$`).test(value);
  throw new Error(`${how} is not known`);
}

function sameLabels(a: Labels, b: Labels): boolean {
  return labelsId(a, "__name__") === labelsId(b, "__name__");
}

function samplesIn(samples: readonly Sample[], after: number, until: number): readonly Sample[] {
  return samples.filter(({ atSeconds }) => atSeconds > after && atSeconds <= until);
}

function children(node: Node | undefined | null): Node[] {
  const found: Node[] = [];
  for (let next = node?.firstChild ?? null; next !== null; next = next.nextSibling)
    found.push(next);
  return found;
}

function child(node: Node, index: number): Node {
  const found = children(node)[index];
  if (found === undefined) throw new Error(`${node.name} has no part ${index}`);
  return found;
}

function the(node: Node, name: string): Node {
  const found = node.getChild(name);
  if (found === null) throw new Error(`${node.name} has no ${name}`);
  return found;
}
