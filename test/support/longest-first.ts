import { existsSync } from "node:fs";
import { join } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take over half a minute, the longest first. */
const LONGEST = [
  "packages/cli/src/start.system.test.ts",
  "test/system/guides.test.ts",
  "test/chaos/chaos.test.ts",
  "packages/embedded-postgres/src/server/start.test.ts",
  "test/system/channels.test.ts",
  "test/system/events.test.ts",
];

/**
 * What takes long begins before the rest of its project. Vitest knows how long a file took only where it
 * ran before; in a fresh clone it begins with the largest, and one worker is left with a long one of few
 * lines when the other has nothing more to do.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = LONGEST.filter((name) => !existsSync(join(this.ctx.config.root, name)));
    if (gone.length > 0) throw new Error(`test/support/longest-first.ts lists ${gone.join(", ")}`);
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => groupOf(a) - groupOf(b) || placeOf(a) - placeOf(b));
  }
}

function groupOf(file: TestSpecification): number {
  return file.project.config.sequence.groupOrder;
}

function placeOf(file: TestSpecification): number {
  const place = LONGEST.findIndex((name) => file.moduleId.endsWith(`/${name}`));
  return place === -1 ? LONGEST.length : place;
}
