import { expect, test } from "vitest";
import { type Ask, ask } from "../../testing/ask.ts";
import { ingressForRefusals, type Refused, testRefusals } from "../../testing/refusals.ts";

const OK = { model: "lanekeeper", input: "Hi" };

/** A field, what is wrong with it, and where the answer says so. */
const FIELDS: readonly (readonly [what: string, body: object, param: string])[] = [
  ["background", { background: true }, "background"],
  ["a prompt template", { prompt: { id: "pmpt_1" } }, "prompt"],
  [
    "two things to go on from",
    { conversation: "k", previous_response_id: "r" },
    "previous_response_id",
  ],
  ["a previous response that is no text", { previous_response_id: 7 }, "previous_response_id"],
  ["no input", { input: undefined }, "input"],
  ["an input that is a number", { input: 7 }, "input"],
  ["an empty input", { input: [] }, "input"],
  ["nothing but reasoning", { input: [{ type: "reasoning", id: "r", summary: [] }] }, "input"],
  ["too many items", { input: Array(6).fill({ role: "user", content: "x" }) }, "input"],
  ["an item that is no object", { input: ["x"] }, "input[0]"],
  ["an item by no id", { input: [{ type: "item_reference" }] }, "input[0].id"],
  ["a tool of OpenAI's", { input: [{ type: "web_search_call", id: "w" }] }, "input[0].type"],
  ["a role that does not exist", { input: [{ role: "tool", content: "x" }] }, "input[0].role"],
  [
    "a prototype's property as a part",
    { input: [{ role: "user", content: [{ type: "constructor" }] }] },
    "input[0].content[0].type",
  ],
  [
    "a chat completion's part",
    { input: [{ role: "user", content: [{ type: "text", text: "x" }] }] },
    "input[0].content[0].type",
  ],
  [
    "a picture that was uploaded",
    { input: [{ role: "user", content: [{ type: "input_image", file_id: "f" }] }] },
    "input[0].content[0].file_id",
  ],
  [
    "a file behind a URL",
    { input: [{ role: "user", content: [{ type: "input_file", file_url: "https://e.org/a" }] }] },
    "input[0].content[0].file_url",
  ],
  [
    "a picture on this machine",
    {
      input: [
        { role: "user", content: [{ type: "input_image", image_url: "file:///etc/passwd" }] },
      ],
    },
    "input[0].content[0].image_url",
  ],
  [
    "a call without its id",
    { input: [{ type: "function_call", name: "f", arguments: "{}" }] },
    "input[0].call_id",
  ],
  [
    "a result of no call",
    { input: [{ type: "function_call_output", call_id: "", output: "x" }] },
    "input[0].call_id",
  ],
  [
    "a picture as a result",
    { input: [{ type: "function_call_output", call_id: "c", output: [{ type: "input_image" }] }] },
    "input[0].output[0].type",
  ],
  ["a last item of the assistant", { input: [{ role: "assistant", content: "x" }] }, "input"],
  [
    "a last item that is a call",
    { input: [{ type: "function_call", call_id: "c", name: "f", arguments: "{}" }] },
    "input",
  ],
  ["half a character", { input: "\ud800" }, "input"],
  ["instructions that are a list", { instructions: ["x"] }, "instructions"],
  ["a temperature in words", { temperature: "hot" }, "temperature"],
  ["a bound in words", { max_output_tokens: "few" }, "max_output_tokens"],
  ["a tool of another kind", { tools: [{ type: "web_search" }] }, "tools[0].type"],
  ["a tool without a name", { tools: [{ type: "function" }] }, "tools[0].name"],
  ["a choice of another kind", { tool_choice: { type: "mcp" } }, "tool_choice.type"],
  ["a format that does not exist", { text: { format: { type: "xml" } } }, "text.format.type"],
  [
    "a schema without a name",
    { text: { format: { type: "json_schema", schema: {} } } },
    "text.format.name",
  ],
  [
    "a schema that is none",
    { text: { format: { type: "json_schema", name: "s", schema: 7 } } },
    "text.format.schema",
  ],
  ["a stream flag that is no flag", { stream: "yes" }, "stream"],
];

const CASES: readonly Refused[] = FIELDS.map(([what, body, param]) => [
  what,
  { path: "/v1/responses", body: { ...OK, ...body } },
  400,
  "INVALID_REQUEST",
  param,
]);

const lane = ingressForRefusals();
testRefusals(lane, CASES);

/** Doors of single responses: nothing of them reaches the runner but well-formed ids. */
const DOORS: readonly (readonly [what: string, asked: Ask, status: number, code: string])[] = [
  ["an id of another kind", get("chatcmpl-1"), 404, "NOT_FOUND"],
  ["a path through the id", get("..%2f..%2fmodels"), 404, "NOT_FOUND"],
  ["an id with something behind it", get(`${id()}/input_items`), 404, "NOT_FOUND"],
  ["an endless id", get("r".repeat(8_000)), 404, "NOT_FOUND"],
  ["events from the middle", get(`${id()}?starting_after=3`), 400, "INVALID_REQUEST"],
  ["events", get(`${id()}?stream=true`), 400, "INVALID_REQUEST"],
  ["cancelling what never was", { path: `/v1/responses/${id()}/cancel` }, 404, "NOT_FOUND"],
  ["another act", { path: `/v1/responses/${id()}/compact` }, 404, "NOT_FOUND"],
  ["deleting", { method: "DELETE", path: `/v1/responses/${id()}` }, 405, "INVALID_REQUEST"],
  [
    "without a key",
    { ...get(id()), headers: { authorization: "Bearer no" } },
    401,
    "UNAUTHENTICATED",
  ],
];

test.each(DOORS)("%s", async (_what, asked, status, code) => {
  const { json, status: got } = await ask(lane(), asked);
  expect(json).toMatchObject({ error: { code } });
  expect(got).toBe(status);
  expect(lane().runner.calls.filter(({ method }) => method === "cancelTurn")).toEqual([]);
});

function id(): string {
  return "resp_019ac6d0-0000-7000-8000-000000000000";
}

function get(rest: string): Ask {
  return { method: "GET", path: `/v1/responses/${rest}` };
}
