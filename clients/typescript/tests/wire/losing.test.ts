import { describe, expect } from "vitest";
import { numbered, scriptOf } from "../fake/script.ts";
import type { Session } from "../fake/session.ts";
import { eventually, shown, test, typesOf } from "./harness.ts";

const drop = (session: Session): void => session.socket.terminate();
const PLACES = Array.from({ length: 12 }, (_, index) => index + 1);
const TIMES = 6; // fewer than the tries of which none gets anywhere

describe("a connection that is lost costs nothing and shows nothing twice", () => {
  test.for(PLACES)("after its frame %i", async (after, { hopstream, open }) => {
    hopstream.spoil({}, ...Array(TIMES).fill({ after, act: drop }));
    const { chat, events, states } = await open({ options: { model: "mock?tokens=20&hold_after=3&id=lost" } });
    const answers = [chat.sendMessage({ message: "one" }), chat.sendMessage({ message: "two" })];
    await eventually(() => expect(shown(events)).toBe(numbered(3)));
    hopstream.sessions[0]!.socket.terminate();
    hopstream.gates.move("lost");
    expect((await Promise.all(answers)).map(({ turn, text }) => [turn, text])).toEqual([
      [1, numbered(20)],
      [2, numbered(20)],
    ]);
    expect([shown(events, 1), shown(events, 2)]).toEqual([numbered(20), numbered(20)]);
    expect(typesOf(events).filter((type) => type === "done" || type === "start")).toHaveLength(4);
    expect(states).toContain("reconnecting");
    expect(hopstream.conversation(chat.conversationId).turns).toHaveLength(2);
  });
});

test("frames that come twice are heard once", async ({ hopstream, open }) => {
  hopstream.spoil({ twice: true });
  const { chat, events } = await open();
  expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  expect(shown(events)).toBe(numbered(30));
});

test("a message whose acceptance was lost is sent again under its id, and its answer is whole", async ({
  hopstream,
  open,
}) => {
  hopstream.spoil({ after: 1, act: (session) => session.mute() });
  const { chat, events } = await open();
  const answer = chat.sendMessage({ message: "hello" });
  const { turns } = hopstream.conversation(chat.conversationId);
  await eventually(() => expect(turns[0]?.isOver).toBe(true));
  drop(hopstream.sessions[0]!);
  expect(await answer).toMatchObject({ turn: 1, text: numbered(30) });
  const [first, second] = hopstream.framesOf("message");
  expect(second).toEqual(first);
  expect(turns).toHaveLength(1);
  expect(events).toContainEqual(expect.objectContaining({ type: "accepted", duplicate: true }));
});

test("an accepted message is followed, though it was answered before anything of it was heard", async ({
  hopstream,
  open,
}) => {
  hopstream.spoil({ after: 2, act: (session) => session.mute() });
  const { chat } = await open();
  const answer = chat.sendMessage({ message: "hello" });
  const { turns } = hopstream.conversation(chat.conversationId);
  await eventually(() => expect(turns[0]?.isOver).toBe(true));
  drop(hopstream.sessions[0]!);
  expect(await answer).toMatchObject({ turn: 1, text: numbered(30) });
  expect(hopstream.framesOf("message")).toHaveLength(1);
});

test("a message that never reached the server is sent again, and no earlier turn with it", async ({
  hopstream,
  open,
}) => {
  const before = await open();
  await before.chat.sendMessage({ message: "hello" });
  const { conversationId } = before.chat;
  hopstream.spoil({ after: 1, act: drop });
  const { chat, events } = await open({ conversationId });
  expect(await chat.sendMessage({ message: "again" })).toMatchObject({ turn: 2, text: numbered(30) });
  expect(typesOf(events)).not.toContain("error");
  expect(shown(events, 1)).toBe("");
});

test("messages wait while the connection is away, up to a megabyte", async ({ hopstream, open }) => {
  let comeBack!: () => void;
  hopstream.spoil({}, { readyWhen: new Promise((resolve) => (comeBack = resolve)) });
  const { chat, states } = await open({ options: { model: "mock?tokens=2" } });
  drop(hopstream.sessions[0]!);
  await eventually(() => expect(states.at(-1)).toBe("reconnecting"));
  const answers = Array.from({ length: 9 }, () => chat.sendMessage({ message: "€".repeat(37_000) }));
  const tooMuch = chat.sendMessage({ message: "€".repeat(1_000) });
  await expect(tooMuch).rejects.toMatchObject({ code: "too_much_waiting", retryable: true });
  comeBack();
  expect((await Promise.all(answers)).map(({ turn }) => turn)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect((await chat.sendMessage({ message: "€".repeat(400_000) })).turn).toBe(10);
});

test("what is sent the moment the connection is back is sent once", async ({ hopstream, open }) => {
  const answers: Promise<unknown>[] = [];
  const heard = await open({
    onState: (state) => {
      if (state === "open" && hopstream.sessions.length > 1) answers.push(heard.chat.sendMessage({ message: "now" }));
    },
  });
  drop(hopstream.sessions[0]!);
  await eventually(() => expect(answers).toHaveLength(1));
  await Promise.all(answers);
  await heard.chat.sendMessage({ message: "later" });
  expect(hopstream.framesOf("message").map(({ message }) => message)).toEqual(["now", "later"]);
});

test("a server that goes away is left at once", async ({ hopstream, open }) => {
  hopstream.spoil({ after: 5, act: (session) => session.send({ type: "goaway", seconds: 30, reason: "deploy" }) });
  const { chat, events, states } = await open({ reconnect: { minDelay: 3_600_000, maxDelay: 3_600_000 } });
  expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  expect(states).toEqual(["connecting", "open", "reconnecting", "open"]);
  expect(typesOf(events)).toContain("goaway");
  await eventually(() => expect(hopstream.closings).toEqual([1000]));
});

test.for([1001, 1011, 1012, 4408, 4429, 4503])(
  "a socket that is closed with %i is opened again",
  async (code, { hopstream, open }) => {
    hopstream.spoil({ after: 4, act: (session) => session.socket.close(code) });
    const { chat } = await open();
    expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  },
);

test.for([1000, 1003, 1007, 1009, 4400, 4401, 4403, 4404, 4409, 4422])(
  "a socket that is closed with %i is not",
  async (code, { hopstream, open }) => {
    hopstream.spoil({ after: 4, act: ({ socket }) => socket.close(code, "because") });
    const heard = await open();
    const events = heard.chat.events();
    const failed = { message: "because", code: `close_${code}`, status: code > 4000 ? code - 4000 : undefined };
    const answers = ["one", "two"].map((message) => heard.chat.sendMessage({ message }));
    for (const answer of answers) await expect(answer).rejects.toMatchObject(failed);
    expect(heard.states).toEqual(["connecting", "open", "closed"]);
    expect(heard.error).toMatchObject(failed);
    await expect(Array.fromAsync(events)).rejects.toMatchObject(failed);
    await expect(heard.chat.sendMessage({ message: "three" })).rejects.toMatchObject(failed);
    expect(hopstream.sessions).toHaveLength(1);
  },
);

test("a server that does not come back is given up", async ({ hopstream, open }) => {
  const heard = await open({ reconnect: { retries: 3, minDelay: 1 } });
  const answer = heard.chat.sendMessage({ message: "hello", options: { model: "mock?hold_after=1" } });
  await eventually(() => expect(shown(heard.events)).toBe(numbered(1)));
  hopstream.spoil(...Array(4).fill({ refuse: 503 }));
  drop(hopstream.sessions[0]!);
  await expect(answer).rejects.toMatchObject({ code: "connection_lost", retryable: true });
  expect(heard.states).toEqual(["connecting", "open", "reconnecting", "closed"]);
  expect(hopstream.sessions).toHaveLength(1);
});

test("tries are counted anew once there was progress", async ({ hopstream, open }) => {
  const { chat } = await open({
    reconnect: { retries: 2, minDelay: 1 },
    options: { model: "mock?tokens=20&hold_after=2&id=on" },
  });
  hopstream.spoil(
    ...Array(9)
      .fill([{ refuse: 503 }, { after: 3, act: drop }])
      .flat(),
  );
  const answer = chat.sendMessage({ message: "hello" });
  hopstream.gates.move("on", 4);
  drop(hopstream.sessions[0]!);
  hopstream.gates.move("on");
  expect((await answer).text).toBe(numbered(20));
});

test("a stream that is not to be opened again is over with its connection", async ({ hopstream, open }) => {
  const { chat, states } = await open({ reconnect: false });
  const answer = chat.sendMessage({ message: "hello", options: { model: "mock?hold_after=1" } });
  await eventually(() => expect(hopstream.framesOf("message")).toHaveLength(1));
  drop(hopstream.sessions[0]!);
  await expect(answer).rejects.toMatchObject({ code: "connection_lost" });
  expect(states).toEqual(["connecting", "open", "closed"]);
});

test("what the server said long ago is not why a connection was lost", async ({ hopstream, open }) => {
  const { chat, events } = await open({ reconnect: false, options: { model: "mock?hold_after=1" } });
  hopstream.sessions[0]!.send({ type: "error", code: "bad_frame", message: "what?", retryable: false });
  const answer = chat.sendMessage({ message: "hello" });
  await eventually(() => expect(shown(events)).toBe(numbered(1)));
  hopstream.sessions[0]!.socket.close(1011);
  await expect(answer).rejects.toMatchObject({ code: "connection_lost" });
});

test("a connection that is silent is taken for lost", async ({ hopstream, open }) => {
  hopstream.pingSeconds = 1;
  hopstream.spoil({ after: 5, act: (session) => session.mute() });
  const { chat, states } = await open();
  expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  expect(states).toContain("reconnecting");
});

test("a connection that is lost while nothing runs is opened again", async ({ hopstream, open }) => {
  const { chat, states } = await open();
  drop(hopstream.sessions[0]!);
  await eventually(() => expect(states).toEqual(["connecting", "open", "reconnecting", "open"]));
  expect((await chat.sendMessage({ message: "hello" })).turn).toBe(1);
});

test("what is no frame is not passed over: the connection is opened again", async ({ hopstream, open }) => {
  hopstream.spoil({ after: 4, act: ({ socket }) => socket.send("<html>") });
  const { chat, states } = await open();
  expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  expect(states).toContain("reconnecting");
});

test("a turn that the server cannot tell any further is asked for over another connection", async ({
  hopstream,
  open,
}) => {
  const broken = { type: "error", code: "internal_error", message: "the stream broke off", turn: 1, retryable: true };
  hopstream.spoil({ after: 6, act: (session) => session.send(broken) });
  const { chat, events } = await open();
  expect((await chat.sendMessage({ message: "hello" })).text).toBe(numbered(30));
  expect(typesOf(events)).not.toContain("error");
  expect(hopstream.framesOf("message")).toHaveLength(1);
});

test("a turn that the server can never tell rejects with the server's words", async ({ hopstream, open }) => {
  const broken = { type: "error", code: "internal_error", message: "the stream broke off", turn: 1, retryable: true };
  hopstream.spoil({}, ...Array(3).fill({ after: 1, act: (session: Session) => session.send(broken) }));
  const { chat, events } = await open({
    reconnect: { retries: 2, minDelay: 1 },
    options: { model: "mock?hold_after=1" },
  });
  const answer = chat.sendMessage({ message: "hello" });
  await eventually(() => expect(shown(events)).toBe(numbered(1)));
  drop(hopstream.sessions[0]!);
  await expect(answer).rejects.toMatchObject({
    code: "internal_error",
    message: "the stream broke off",
    retryable: true,
  });
});

test("another stream goes on from a cursor", async ({ hopstream, open }) => {
  const first = await open({ options: { model: "mock?tokens=20&hold_after=7&id=reload" } });
  const lost = first.chat.sendMessage({ message: "hello" });
  await eventually(() => expect(shown(first.events)).toBe(numbered(7)));
  const { conversationId, cursor: resume } = first.chat;
  first.chat.close();
  await expect(lost).rejects.toMatchObject({ code: "closed" });
  hopstream.gates.move("reload");
  const second = await open({ conversationId, resume });
  await eventually(() => expect(typesOf(second.events)).toContain("done"));
  expect(shown(first.events) + shown(second.events)).toBe(numbered(20));
});

test("a conversation that was deleted begins anew, behind the turns that it had", async ({ hopstream, open }) => {
  const { chat, events } = await open();
  await chat.sendMessage({ message: "hello" });
  hopstream.forget(chat.conversationId);
  drop(hopstream.sessions[0]!);
  expect(await chat.sendMessage({ message: "anew" })).toMatchObject({ turn: 2, text: numbered(30) });
  expect(shown(events, 2)).toBe(numbered(30));
  expect(chat.cursor).toBe("2.1.241");
});

test("one that was deleted long ago begins with the first turn", async ({ hopstream, open }) => {
  const { chat, events } = await open();
  await chat.sendMessage({ message: "hello" });
  await chat.sendMessage({ message: "again" });
  hopstream.forget(chat.conversationId, true);
  drop(hopstream.sessions[0]!);
  expect(await chat.sendMessage({ message: "anew" })).toMatchObject({ turn: 1, text: numbered(30) });
  expect(shown(events, 1)).toBe(numbered(30).repeat(2));
  expect(chat.cursor).toBe("1.1.241");
});

test("a cursor that the server does not know is told of, and the latest turn comes from its start", async ({
  open,
}) => {
  const before = await open();
  await before.chat.sendMessage({ message: "hello" });
  const { events } = await open({ conversationId: before.chat.conversationId, resume: "7.1.1" });
  await eventually(() => expect(typesOf(events)).toContain("done"));
  expect(events[1]).toMatchObject({ type: "error", code: "invalid_event_id" });
  expect(shown(events)).toBe(numbered(30));
});

test("a message whose conversation was deleted while nobody listened is refused", async ({ hopstream, open }) => {
  const { chat } = await open({ options: { model: "mock?tokens=20&hold_after=3&id=deleted" } });
  const answer = chat.sendMessage({ message: "hello" });
  const { turns } = hopstream.conversation(chat.conversationId);
  await eventually(() => expect(turns[0]?.tape).toHaveLength(4));
  hopstream.forget(chat.conversationId);
  drop(hopstream.sessions[0]!);
  await expect(answer).rejects.toMatchObject({ code: "not_found" });
});

test("so is one whose conversation was deleted and begun anew meanwhile", async ({ hopstream, open }) => {
  const { chat, events } = await open({ options: { model: "mock?tokens=20&hold_after=3&id=deleted" } });
  const answer = chat.sendMessage({ message: "hello" });
  await eventually(() => expect(shown(events)).toBe(numbered(3)));
  hopstream.forget(chat.conversationId);
  hopstream.conversation(chat.conversationId).ask("another", scriptOf("mock?tokens=2"));
  drop(hopstream.sessions[0]!);
  await expect(answer).rejects.toMatchObject({ code: "not_found" });
  await eventually(() => expect(shown(events, 2)).toBe(numbered(2)));
  drop(hopstream.sessions.at(-1)!);
  hopstream.gates.move("deleted");
  expect((await chat.sendMessage({ message: "more" })).turn).toBe(3);
  expect(hopstream.framesOf("message").map(({ message }) => message)).toEqual(["hello", "more"]);
});
