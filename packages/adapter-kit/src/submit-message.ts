import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition, type Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason, isNotFound, LanekeeperError } from "@lanekeeper/rpc";
import type { Deadline } from "./deadline.ts";
import type { AdapterAccount, EventName, MessageEvent, ReplyPlace } from "./event.ts";
import { contentFingerprint, idempotencyKey } from "./event-ids.ts";
import type { Outcome, RegisteredRoute } from "./outcome.ts";
import type { AdapterPorts } from "./ports.ts";

/** A message on its way to its turn. */
export interface Submission {
  readonly ports: AdapterPorts;
  readonly account: AdapterAccount;
  readonly event: MessageEvent;
  readonly deadline: Deadline;
  /** Registers what other names the event tells of. */
  readonly registerSame: () => Promise<void>;
  /** Told as soon as the place is registered, also where the turn is refused then. */
  readonly onRoute: (session: SessionRef, route: RegisteredRoute) => void;
}

/**
 * The turn of a message. It is looked for by the event's id before its name is resolved: a repeat
 * belongs to its turn whatever has become of the name since.
 */
export async function submitMessage(submission: Submission): Promise<Outcome> {
  const { account, event } = submission;
  const key = idempotencyKey(account, event.eventId);
  const fingerprint = contentFingerprint(event.content);
  const known = await findTurn(submission, key, fingerprint);
  if (known !== undefined) return joined(known);
  await submission.registerSame();
  try {
    return await submit(submission, key, fingerprint);
  } catch (error) {
    // Merged into another between the two calls: the name leads there by now.
    if (!hasReason(error, "KEY_MOVED")) throw error;
    return submit(submission, key, fingerprint);
  }
}

async function findTurn(
  { ports, deadline }: Submission,
  idempotencyKey: string,
  fingerprint: Uint8Array,
): Promise<Turn | undefined> {
  try {
    return (await ports.runner.findTurn({ idempotencyKey, fingerprint }, deadline.call)).turn;
  } catch (error) {
    // Of one whose turn was erased it tells that the turn is gone.
    if (isNotFound(error, "request")) return undefined;
    throw error;
  }
}

function joined({ turnId, session, position }: Turn): Outcome {
  const disposition = Disposition.JOINED;
  return { kind: "turn", turnId, session, disposition, position, route: undefined };
}

async function submit(
  { ports, account, event, deadline, onRoute }: Submission,
  idempotencyKey: string,
  fingerprint: Uint8Array,
): Promise<Outcome> {
  const { senderId, name, place } = event;
  const session = await resolve(ports, account, name, deadline);
  const route = place && (await register(ports, account, session, place, deadline));
  if (route !== undefined) onRoute(session, route);
  const accepted = await ports.runner.submitTurn(
    {
      idempotencyKey,
      fingerprint,
      target: { case: "session", value: session },
      turnClass: TurnClass.PERSON,
      messages: [{ role: Role.USER, senderId, parts: [...event.parts] }],
      origin: {
        source: account.channel,
        senderId,
        externalMessageId: event.messageId,
        groupId: event.groupId ?? "",
        ...quietOf(event),
        ...(name.case === "peer" ? { peer: name.value } : { rawKey: name.value }),
      },
      routeId: route?.routeId ?? "",
    },
    deadline.call,
  );
  const { turnId, disposition, position } = accepted;
  return { kind: "turn", turnId, session: accepted.session, disposition, position, route };
}

function quietOf({ groupQuietMs }: MessageEvent) {
  return groupQuietMs === undefined ? {} : { groupQuiet: durationFromMs(groupQuietMs) };
}

/** Who stands under the event's name; the first event reserves the session. */
export async function resolve(
  { identity }: AdapterPorts,
  { agentId }: AdapterAccount,
  name: EventName,
  deadline: Deadline,
  lookUpOnly = false,
): Promise<SessionRef> {
  const { session } = await identity.resolveSession({ agentId, name, lookUpOnly }, deadline.call);
  if (session?.ref !== undefined) return session.ref;
  throw new LanekeeperError("INTERNAL", "session-identity named no session");
}

/** Where the conversation's replies go; a repeat returns the same route. */
export async function register(
  { delivery }: AdapterPorts,
  { source }: AdapterAccount,
  { sessionKey }: SessionRef,
  place: ReplyPlace,
  deadline: Deadline,
): Promise<RegisteredRoute> {
  const request = { sessionKey, ...place, source };
  const { route, signingSecret } = await delivery.registerRoute(request, deadline.call);
  if (route !== undefined) return { routeId: route.routeId, signingSecret };
  throw new LanekeeperError("INTERNAL", "delivery named no route");
}
