import { boundedSignal, type Secret } from "@lanekeeper/service";
import type { FilePiece } from "../../domain/chat-pieces.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import type { Limits } from "../../limits.ts";
import { type ClaimSend, leaveIfDoubtful, type Reply, type SendNotes } from "../channel.ts";
import { callApi } from "../http/api.ts";
import { taken } from "../next-piece.ts";
import { openConversation } from "./open-conversation.ts";
import { callSlack, type SlackDeps } from "./slack-api.ts";

export interface Share {
  readonly reply: Reply;
  readonly token: Secret;
  readonly claim: ClaimSend;
  readonly signal: AbortSignal;
  readonly notes: SendNotes;
  readonly pieceCount: number;
}

type ShareDeps = Omit<SlackDeps, "limits"> & {
  readonly limits: SlackDeps["limits"] & Pick<Limits, "preparationMs">;
};

/** What stands before the sharing: the file's id, or why there is none. */
type Prepared = { readonly fileId: string } | { readonly outcome: SendOutcome };

/**
 * Uploads a file, which nobody sees, then shares it, which is what the claim stands before. Its id is
 * stored in between: a later attempt asks Slack whether that file was shared, and does not upload again.
 * https://docs.slack.dev/messaging/working-with-files#upload
 */
export async function shareFile(
  deps: ShareDeps,
  share: Share,
  file: FilePiece,
): Promise<SendOutcome> {
  const { reply, pieceCount, signal } = share;
  const bounded = boundedSignal(signal, deps.limits.preparationMs);
  const opened = await openConversation(deps, reply.address, share.token, bounded);
  if (opened.kind === "no") return nothingShared(opened.outcome);
  const { channel } = opened;
  const settled = reply.isDoubtful
    ? await wasShared(deps, { ...share, signal: bounded }, channel)
    : undefined;
  if (settled === "shared") return taken(pieceCount, reply, reply.pieceHandle);
  if (settled !== undefined) return settled;
  const prepared =
    reply.pieceHandle === ""
      ? await upload(deps, { ...share, signal: bounded }, file)
      : { fileId: reply.pieceHandle };
  if ("outcome" in prepared) return prepared.outcome;
  return complete(deps, { ...share, channel }, file, prepared.fileId);
}

/** Undefined: it was not, or it is to be shared again. */
async function wasShared(
  deps: ShareDeps,
  { reply, token, signal }: Share,
  channel: string,
): Promise<"shared" | SendOutcome | undefined> {
  if (reply.pieceHandle === "") return undefined;
  const form = { file: reply.pieceHandle };
  const answer = await callSlack(deps, { method: "files.info", form, token, signal });
  if (answer.kind === "ok") return isIn(answer.body["file"], channel) ? "shared" : undefined;
  if (answer.error === "file_not_found" || answer.error === "file_deleted") return undefined;
  if (answer.outcome.kind === "refused")
    return leaveIfDoubtful(reply, `Slack answered ${answer.error}`);
  return answer.outcome.kind === "unknown"
    ? { kind: "failed", error: answer.outcome.error }
    : answer.outcome;
}

function isIn(file: unknown, channel: string): boolean {
  if (typeof file !== "object" || file === null) return false;
  const { channels, groups, ims, shares } = { ...file } as Readonly<Record<string, unknown>>;
  if ([channels, groups, ims].some((list) => Array.isArray(list) && list.includes(channel))) {
    return true;
  }
  if (typeof shares !== "object" || shares === null) return false;
  return Object.values(shares).some(
    (places: unknown) => typeof places === "object" && places !== null && channel in places,
  );
}

async function upload(
  deps: ShareDeps,
  { token, signal, notes }: Share,
  { fileName: filename, bytes }: FilePiece,
): Promise<Prepared> {
  const form = { filename, length: String(bytes.length) };
  const asked = await callSlack(deps, {
    method: "files.getUploadURLExternal",
    form,
    token,
    signal,
  });
  if (asked.kind === "no") return { outcome: nothingShared(asked.outcome) };
  const { upload_url: address, file_id: fileId } = asked.body;
  const url = uploadUrl(String(address), deps.baseUrl);
  if (url === undefined || typeof fileId !== "string") {
    return { outcome: { kind: "failed", error: "Slack named no place to upload to" } };
  }
  const headers = { "content-type": "application/octet-stream" };
  const posted = await callApi(deps, { url, headers, body: Buffer.from(bytes), signal });
  if (posted.kind !== "answered") return { outcome: { kind: "failed", error: posted.error } };
  if (posted.status !== 200) {
    return { outcome: { kind: "failed", error: `the upload was answered ${posted.status}` } };
  }
  await notes.handle(fileId);
  return { fileId };
}

/** Before the sharing nothing can have arrived. */
function nothingShared(outcome: SendOutcome): SendOutcome {
  return outcome.kind === "unknown" ? { kind: "failed", error: outcome.error } : outcome;
}

/** Slack's own word, but not to anywhere without TLS, unless Slack itself is a stand-in there. */
function uploadUrl(text: string, { origin }: URL): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === "https:" || url.origin === origin ? url : undefined;
}

async function complete(
  deps: ShareDeps,
  { reply, token, claim, signal, notes, pieceCount, channel }: Share & { readonly channel: string },
  { fileName }: FilePiece,
  fileId: string,
): Promise<SendOutcome> {
  const { threadId } = reply;
  const answer = await callSlack(deps, {
    method: "files.completeUploadExternal",
    token,
    json: {
      files: [{ id: fileId, title: fileName }],
      channel_id: channel,
      ...(threadId === "" ? {} : { thread_ts: threadId }),
    },
    signal,
    beforeSend: claim,
  });
  if (answer.kind === "ok") return taken(pieceCount, reply, fileId);
  if (answer.error !== "file_not_found") return answer.outcome;
  // What was uploaded and not shared in time is gone: the next attempt uploads it anew.
  await notes.handle("");
  return { kind: "failed", error: "Slack has dropped the upload" };
}
