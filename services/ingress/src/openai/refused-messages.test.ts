import { describe } from "vitest";
import { ingressForRefusals, type Refused, testRefusals, USER } from "../testing/refusals.ts";

const user = (content: unknown): object => ({
  model: "lanekeeper",
  messages: [{ role: "user", content }],
});

const message = (one: object): object => ({ model: "lanekeeper", messages: [one, USER] });

const CASES: readonly Refused[] = [
  ["no messages", { body: { model: "lanekeeper" } }, 400, "INVALID_REQUEST", "messages"],
  [
    "an empty list of messages",
    { body: { model: "lanekeeper", messages: [] } },
    400,
    "INVALID_REQUEST",
    "messages",
  ],
  [
    "too many messages",
    { body: { model: "lanekeeper", messages: Array(6).fill(USER) } },
    400,
    "INVALID_REQUEST",
    "messages",
  ],
  [
    "a message that is no object",
    { body: { model: "lanekeeper", messages: ["Hi"] } },
    400,
    "INVALID_REQUEST",
    "messages[0]",
  ],
  [
    "a role that does not exist",
    { body: message({ role: "bot", content: "Hi" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].role",
  ],
  [
    "the name of a prototype's property as a role",
    { body: message({ role: "constructor", content: "Hi" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].role",
  ],
  [
    "a last message of the assistant",
    { body: { model: "lanekeeper", messages: [USER, { role: "assistant", content: "Ho" }] } },
    400,
    "INVALID_REQUEST",
    "messages[1].role",
  ],
  [
    "no content",
    { body: message({ role: "user" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].content",
  ],
  ["no parts", { body: user([]) }, 400, "INVALID_REQUEST", "messages[0].content"],
  [
    "a part that does not exist",
    { body: user([{ type: "video", video: {} }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].type",
  ],
  [
    "a picture in a system message",
    {
      body: message({
        role: "system",
        content: [{ type: "image_url", image_url: { url: "https://x.example/a.png" } }],
      }),
    },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].type",
  ],
  [
    "a picture at a file URL",
    { body: user([{ type: "image_url", image_url: { url: "file:///etc/passwd" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].image_url.url",
  ],
  [
    "a picture whose data are no base64",
    { body: user([{ type: "image_url", image_url: { url: "data:image/png;base64,@@" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].image_url.url",
  ],
  [
    "audio of an unknown format",
    { body: user([{ type: "input_audio", input_audio: { format: "ogg", data: "AAAA" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].input_audio.format",
  ],
  [
    "a file that was uploaded elsewhere",
    { body: user([{ type: "file", file: { file_id: "file-1" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].file.file_id",
  ],
  [
    "a file without data",
    { body: user([{ type: "file", file: { filename: "a.pdf" } }]) },
    400,
    "INVALID_REQUEST",
    "messages[0].content[0].file.file_data",
  ],
  [
    "an assistant that said nothing",
    { body: message({ role: "assistant", content: null }) },
    400,
    "INVALID_REQUEST",
    "messages[0].content",
  ],
  [
    "a tool call without an id",
    {
      body: message({
        role: "assistant",
        tool_calls: [{ type: "function", function: { name: "f", arguments: "{}" } }],
      }),
    },
    400,
    "INVALID_REQUEST",
    "messages[0].tool_calls[0].id",
  ],
  [
    "a custom tool call",
    {
      body: message({ role: "assistant", tool_calls: [{ type: "custom", id: "c1", custom: {} }] }),
    },
    400,
    "INVALID_REQUEST",
    "messages[0].tool_calls[0].type",
  ],
  [
    "an old function call",
    { body: message({ role: "assistant", function_call: { name: "f", arguments: "" } }) },
    400,
    "INVALID_REQUEST",
    "messages[0].function_call",
  ],
  [
    "a tool's result without its call",
    { body: message({ role: "tool", content: "42" }) },
    400,
    "INVALID_REQUEST",
    "messages[0].tool_call_id",
  ],
  [
    "a sender's name over the bound",
    { body: message({ role: "user", content: "Hi", name: "ä".repeat(200) }) },
    400,
    "INVALID_REQUEST",
    "messages[0].name",
  ],
];

const lane = ingressForRefusals();

describe("refused and without effect:", () => {
  testRefusals(lane, CASES);
});
