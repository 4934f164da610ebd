import type { OutboundPart } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { Reply } from "../channel.ts";

/** What is posted, as JSON. The same bytes at every attempt. */
export function webhookBody(reply: Reply): string {
  const { deliveryId, sessionKey, sessionId, generation, turnId, parts, gapBefore } = reply;
  return JSON.stringify({
    type: "reply",
    delivery_id: deliveryId,
    // Exact: a generation stays below 2^53, which is 2^21 raises of all fences.
    session: { key: sessionKey, id: sessionId, generation: Number(generation) },
    turn_id: turnId,
    // Replies before this one that did not get through, under the route's policy "skip".
    ...(gapBefore === 0 ? {} : { missing_before: gapBefore }),
    text: parts.map(textOf).join(""),
    parts: parts.map(partOf),
  });
}

function textOf({ content }: OutboundPart): string {
  return content.case === "text" ? content.value : "";
}

function partOf({ content, mediaType, fileName }: OutboundPart): object {
  const about = {
    ...(mediaType === "" ? {} : { media_type: mediaType }),
    ...(fileName === "" ? {} : { file_name: fileName }),
  };
  switch (content.case) {
    case "fileUri":
      return { type: "file", uri: content.value, ...about };
    case "fileData":
      return { type: "file", data: Buffer.from(content.value).toString("base64"), ...about };
    default:
      return { type: "text", text: content.value ?? "" };
  }
}
