import { create } from "@bufbuild/protobuf";
import { ApiKeySchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { expect, test } from "vitest";
import { oneLine } from "../output.ts";
import type { Listing } from "./listing.ts";
import type { PageRequest } from "./read-pages.ts";
import { type ListOptions, showList } from "./show-list.ts";

const ALL = { limit: Number.POSITIVE_INFINITY };

interface Shown {
  readonly lines: readonly string[];
  readonly problems: readonly string[];
  readonly asked: readonly PageRequest[];
  readonly error: unknown;
}

/** Keys "0" to "<count - 1>", of a service whose tokens are places, and what a list of them shows. */
async function show(
  count: number,
  options: ListOptions,
  { breaksAt = Number.POSITIVE_INFINITY, leavesAt = Number.POSITIVE_INFINITY } = {},
): Promise<Shown> {
  const lines: string[] = [];
  const problems: string[] = [];
  const asked: PageRequest[] = [];
  const reader = new AbortController();
  const listing: Listing<typeof ApiKeySchema> = {
    ...{ schema: ApiKeySchema, field: "apiKeys", line: ({ apiKeyId }) => apiKeyId },
    none: () => lines.push("no keys"),
    ask: async (page) => {
      asked.push(page);
      const from = Number(page.pageToken);
      if (from >= leavesAt) reader.abort();
      if (from >= breaksAt) throw new Error("away");
      const to = Math.min(count, from + page.pageSize);
      const rows = Array.from({ length: to - from }, (_, index) =>
        create(ApiKeySchema, { apiKeyId: `${from + index}`, label: 'a\n"b"' }),
      );
      return { rows, nextPageToken: to < count ? `${to}` : "" };
    },
  };
  const output = {
    line: (text: string) => void lines.push(oneLine(text)),
    text: (text: string) => void lines.push(text),
    problem: (text: string) => void problems.push(text),
    readerLeft: () => reader.signal,
  };
  const error = await showList(listing, options, output).catch((thrown: unknown) => thrown);
  return { lines, problems, asked, error };
}

const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `${from + index}`);

test("without a limit everything comes, a page at a time, whole and in order", async () => {
  const { lines, problems, asked } = await show(450, ALL);
  expect(lines).toEqual(ids(0, 450));
  expect(problems).toEqual([]);
  expect(asked).toEqual([
    { pageSize: 200, pageToken: "" },
    { pageSize: 200, pageToken: "200" },
    { pageSize: 200, pageToken: "400" },
  ]);
});

test("a list that is cut by its limit says so beside its rows, and its token goes on behind them", async () => {
  const first = await show(450, { limit: 250 });
  expect(first.lines).toEqual(ids(0, 250));
  expect(first.asked.map(({ pageSize }) => pageSize)).toEqual([200, 50]);
  expect(first.problems).toEqual([
    'there are more: "--limit all" lists all, "--page-token 250" goes on behind these',
  ]);
  const rest = await show(450, { ...ALL, pageToken: "250" });
  expect(rest.lines).toEqual(ids(250, 450));
  expect(rest.problems).toEqual([]);
});

test("a limit that is exactly met cuts nothing, and no rows are told as none", async () => {
  expect(await show(250, { limit: 250 })).toMatchObject({ lines: ids(0, 250), problems: [] });
  expect(await show(0, { limit: 50 })).toMatchObject({ lines: ["no keys"], problems: [] });
});

test("a program reads one document over all pages, and by nextPageToken that it was cut", async () => {
  const document = async (count: number, options: ListOptions) => {
    const { lines, problems } = await show(count, { ...options, json: true });
    expect(problems).toEqual([]);
    return { text: lines.join("\n"), ...JSON.parse(lines.join("\n")) };
  };
  const whole = await document(450, ALL);
  expect(whole.apiKeys.map(({ apiKeyId }: { apiKeyId: string }) => apiKeyId)).toEqual(ids(0, 450));
  expect(whole.apiKeys[7].label).toBe('a\n"b"');
  expect(whole).not.toHaveProperty("nextPageToken");
  const cut = await document(3, { limit: 2 });
  expect(cut.nextPageToken).toBe("2");
  const { text, ...parsed } = cut;
  expect(text).toBe(JSON.stringify(parsed, undefined, 2));
  expect(await document(0, { limit: 2 })).toMatchObject({ apiKeys: [] });
});

test("a list that breaks off is an error, says where to go on, and leaves no document that looks whole", async () => {
  const broken = await show(450, ALL, { breaksAt: 400 });
  expect(broken.error).toEqual(new Error("away"));
  expect(broken.lines).toEqual(ids(0, 400));
  expect(broken.problems).toEqual(['the list broke off: "--page-token 400" goes on behind it']);
  const json = await show(450, { ...ALL, json: true }, { breaksAt: 200 });
  expect(() => JSON.parse(json.lines.join("\n"))).toThrow(SyntaxError);
  const atOnce = await show(450, { ...ALL, json: true }, { breaksAt: 0 });
  expect(atOnce).toMatchObject({ lines: [], problems: [], error: new Error("away") });
});

test("nobody is asked for what nobody reads", async () => {
  const { asked, problems, error } = await show(2_000, ALL, { leavesAt: 200 });
  expect({ asks: asked.length, problems, error }).toEqual({
    ...{ asks: 2, problems: [], error: undefined },
  });
});
