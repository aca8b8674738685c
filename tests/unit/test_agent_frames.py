"""Frames of /ws/chat as they are read: both spellings, both forms, and what is refused by name."""

from typing import Any

import pytest

from api.inputs.agent_frames import (
    BadFrame,
    BadHandshake,
    PingFrame,
    SecondHandshake,
    StopFrame,
    TurnMessage,
    TurnOptions,
    decode_frame,
    has_message,
    read_frame,
    read_handshake,
    read_message,
)
from tests.agent_frames import check_client_frame


@pytest.mark.parametrize("name", ["maxNewTokens", "max_new_tokens", "max_tokens"])
def test_the_longest_answer_has_three_names(name: str) -> None:
    frame = {"agentId": "a", "options": {name: 7, "topP": 0.5, "reasoning_effort": "low", "onBusy": "reject"}}
    check_client_frame(frame)
    options = read_handshake(frame).options
    assert options.sampling() == {"max_tokens": 7, "top_p": 0.5, "reasoning_effort": "low"}
    assert options.on_busy == "reject"


def test_a_message_s_options_go_before_those_of_the_handshake() -> None:
    message, handshake = TurnOptions(temperature=0.5, model="m"), TurnOptions(temperature=1, seed=3, mode="direct")
    options = message.over(handshake)
    assert (options.model, options.mode) == ("m", "direct")
    assert options.sampling() == {"temperature": 0.5, "seed": 3}


def test_the_first_clients_send_both_in_one() -> None:
    frame = {"agent_id": "a", "conversation_id": "c", "user_message": "hi", "options": {"max_new_tokens": 7}}
    check_client_frame(frame)
    assert has_message(frame)
    assert read_handshake(frame).conversation_id == "c"
    assert read_message(frame).message == "hi"


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"message": "hi"}, TurnMessage),
        ({"type": "message", "message": "hi", "messageId": "m", "unknown": [1]}, TurnMessage),
        ({"type": "stop"}, StopFrame),
        ({"type": "stop", "turn": 3}, StopFrame),
        ({"type": "ping", "t": 1.5}, PingFrame),
        ({"type": "pong"}, PingFrame),
    ],
)
def test_frames_are_known_by_their_type_or_their_message(frame: dict[str, Any], kind: type) -> None:
    check_client_frame(frame)
    assert isinstance(read_frame(frame), kind)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"type": "dance"}, "'dance'"),
        ({"type": 5}, "'5'"),
        ({"message": " \n"}, "must not be blank"),
        ({"message": "a\0b"}, "NUL"),
        ({"message": "hi", "messageId": "two words"}, "messageId"),
        ({"message": "hi", "options": {"zip": 1}}, "options.zip"),
        ({"message": "hi", "options": {"temperature": "hot"}}, "options.temperature"),
        ({"type": "stop", "turn": "1"}, "turn"),
    ],
)
def test_what_is_wrong_is_named(frame: dict[str, Any], words: str) -> None:
    with pytest.raises(BadFrame, match=words):
        read_frame(frame)


@pytest.mark.parametrize("text", ["", "x", "[]", '"a"', "12", "null", '{"a":NaN}', "{" * 9999, '{"a":' * 500])
def test_a_frame_is_one_object(text: str) -> None:
    with pytest.raises(BadFrame):
        decode_frame(text)


def test_one_handshake_is_enough() -> None:
    with pytest.raises(SecondHandshake):
        read_frame({"agentId": "a"})


@pytest.mark.parametrize("frame", [{}, {"agentId": "../x"}, {"agentId": "a", "protocol": 2}, {"agentId": "A"}])
def test_a_handshake_names_an_agent(frame: dict[str, Any]) -> None:
    with pytest.raises(BadHandshake):
        read_handshake(frame)
