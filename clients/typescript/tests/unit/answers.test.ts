import { expect, test } from "vitest";
import { Answers, type MessageFrame } from "../../src/answers.ts";

const FRAME: MessageFrame = { type: "message", message: "hello", messageId: "m1" };

test("an accepted message is sent again where nothing says that its turn will be told", () => {
  const answers = new Answers();
  answers.add(FRAME, false).catch(() => {});
  const accepted = { messageId: "m1", conversationId: "c", turn: 3, position: null, waiting: 0, duplicate: false };
  answers.take({ type: "accepted", ...accepted });
  expect(answers.toSend(undefined)).toEqual([FRAME]);
  expect(answers.toSend("4.0.0")).toEqual([FRAME]);
  expect(answers.toSend("3.1.5")).toEqual([]);
});
