import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { AttachTurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { parseJsonObject } from "../http/json-body.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { parseChatRequest } from "./parse-chat-request.ts";
import { parseMessages } from "./parse-message.ts";

const parse = (...messages: object[]) =>
  parseMessages({ path: "messages", value: messages }, DEFAULT_LIMITS);

const PNG = "data:image/png;base64,iVBORw0KGgo=";

describe("messages in OpenAI's shape become the runner's", () => {
  test("the developer is the system", () => {
    expect(parse({ role: "developer", content: "Be brief." })).toMatchObject([
      { role: Role.SYSTEM, parts: [{ content: { case: "text", value: "Be brief." } }] },
    ]);
  });

  test("an empty text is a text", () => {
    expect(parse({ role: "user", content: "" })[0]?.parts).toHaveLength(1);
  });

  test("pictures, audio and files", () => {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: PNG, detail: "low" } },
      { type: "image_url", image_url: { url: "https://x.example/a" } },
      { type: "input_audio", input_audio: { format: "mp3", data: "AAAA" } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } },
      { type: "file", file: { file_data: "AAAA" } },
    ];
    const file = (uri: string, mediaType: string, fileName = "") => ({
      content: {
        case: "file",
        value: { source: { case: "uri", value: uri }, mediaType, fileName },
      },
    });
    expect(parse({ role: "user", content })[0]?.parts).toMatchObject([
      { content: { case: "text", value: "What is this?" } },
      file(PNG, "image/png"),
      file("https://x.example/a", "image/*"),
      file("data:audio/mpeg;base64,AAAA", "audio/mpeg"),
      file("data:application/pdf;base64,AAAA", "application/pdf", "a.pdf"),
      file("data:application/octet-stream;base64,AAAA", "application/octet-stream"),
    ]);
  });

  test("tool calls and their results", () => {
    const called = {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{" } }],
    };
    const result = {
      role: "tool",
      tool_call_id: "c1",
      content: [
        { type: "text", text: "4" },
        { type: "text", text: "2" },
      ],
    };
    expect(parse(called, result)).toMatchObject([
      {
        role: Role.ASSISTANT,
        parts: [
          { content: { case: "toolCall", value: { callId: "c1", name: "f", argumentsJson: "{" } } },
        ],
      },
      {
        role: Role.TOOL,
        parts: [{ content: { case: "toolResult", value: { callId: "c1", text: "42" } } }],
      },
    ]);
  });

  test("what the assistant refused", () => {
    const parts = [
      { type: "text", text: "No" },
      { type: "refusal", refusal: ", never" },
    ];
    const said = parse(
      { role: "assistant", content: parts },
      { role: "assistant", refusal: "No." },
    ).map((message) => message.parts.map(({ content }) => content.value));
    expect(said).toEqual([["No", ", never"], ["No."]]);
  });

  test("parts and tool calls together keep the bound", () => {
    const call = { id: "c", function: { name: "f", arguments: "" } };
    const message = { role: "assistant", content: "x", tool_calls: Array(256).fill(call) };
    expect(() => parse(message)).toThrow("may have 256 parts");
  });
});

describe("parameters", () => {
  const headers = { get: () => undefined, ascii: () => undefined };
  const chat = (body: string) =>
    parseChatRequest(
      headers,
      parseJsonObject(Buffer.from(body), DEFAULT_LIMITS.maxJsonDepth),
      undefined,
      DEFAULT_LIMITS,
    );
  const BODY = '"model":"lanekeeper","messages":[{"role":"user","content":"x"}]';

  test("of the greatest depth that is taken can be read by the runner", () => {
    const depth = DEFAULT_LIMITS.maxJsonDepth - 1;
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const inner = open.repeat(depth) + (open === "[" ? "" : "1") + close.repeat(depth);
      const { parameters } = chat(`{${BODY},"deep":${inner}}`);
      const target = { case: "submit", value: { parameters } } as const;
      const bytes = toBinary(AttachTurnRequestSchema, create(AttachTurnRequestSchema, { target }));
      const read = fromBinary(AttachTurnRequestSchema, bytes).target;
      expect(read.case === "submit" ? read.value.parameters : undefined).toEqual(parameters);
    }
  });

  test("with the name of a prototype's property stay what they are", () => {
    const { parameters } = chat(`{${BODY},"__proto__":{"stream":true},"constructor":1}`);
    expect(Object.entries(parameters)).toEqual([
      ["__proto__", { stream: true }],
      ["constructor", 1],
    ]);
    expect(chat(`{${BODY},"__proto__":{"stream":true}}`).stream).toBe(false);
  });

  test("that are null where OpenAI allows it are as good as absent", () => {
    const body = `{${BODY},"n":null,"stream":null,"stream_options":null,"metadata":null}`;
    expect(chat(body)).toMatchObject({ stream: false, includeUsage: false, parameters: {} });
  });
});
