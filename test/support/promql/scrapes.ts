/** Labels of a series, by name; `__name__` is the metric. */
export type Labels = Readonly<Record<string, string>>;

/** The same text for the same labels, without those that are named. */
export function labelsId(labels: Labels, ...without: readonly string[]): string {
  const names = Object.keys(labels).filter((name) => !without.includes(name));
  return JSON.stringify(names.sort().map((name) => [name, labels[name]]));
}

/** One series' value at a time, in seconds. */
export interface Sample {
  readonly atSeconds: number;
  readonly value: number;
}

export interface ScrapedSeries {
  readonly labels: Labels;
  readonly samples: Sample[];
}

/** What a Prometheus has scraped of some pages, as its own text format has them. */
export class Scrapes {
  readonly #series = new Map<string, ScrapedSeries>();

  /** A page as it stood then; `target` are the labels that Prometheus adds. */
  add(page: string, atSeconds: number, target: Labels): void {
    for (const [, name = "", labels = "", value = ""] of page.matchAll(
      /^(\w+)(?:\{(.*)\})? (\S+)$/gm,
    )) {
      this.note({ ...labelsOf(labels), ...target, __name__: name }, atSeconds, Number(value));
    }
  }

  note(labels: Labels, atSeconds: number, value: number): void {
    const id = labelsId(labels);
    const series = this.#series.get(id) ?? { labels, samples: [] };
    series.samples.push({ atSeconds, value });
    this.#series.set(id, series);
  }

  get all(): readonly ScrapedSeries[] {
    return [...this.#series.values()];
  }
}

function labelsOf(text: string): Labels {
  const found = text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g);
  return Object.fromEntries([...found].map(([, name = "", value = ""]) => [name, value]));
}
