"""Tokens as text: whole characters, and stops that nobody sees."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from core.providers.local.engine.text import AnswerText
from tests.local.folders import tokenizer

TOKENIZER = tokenizer().backend_tokenizer
BYTES = Tokenizer(
    models.BPE(
        {name: place for place, name in enumerate([*(f"<0x{byte:02X}>" for byte in range(256)), "bar", "\u2581bar"])},
        [],
        byte_fallback=True,
    )
)
BYTES.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])


def said(text: str, *stops: str) -> tuple[list[str], bool]:
    """The pieces of an answer with these tokens, and whether a stop has ended it."""
    answer = AnswerText(TOKENIZER, TOKENIZER.encode("Hello").ids, stops)
    pieces = []
    for token in TOKENIZER.encode(text).ids:
        pieces.append(answer.feed(token))
        if answer.is_stopped:
            return pieces, True
    return [*pieces, answer.finish()], False


@given(st.text(max_size=40))
@example("\ufffd")
@example("a\ufffd\ufffd")
@example("\ufffd\ufffdb")
def test_the_pieces_are_the_text(text: str) -> None:
    pieces, _ = said(text)
    assert "".join(pieces) == text


@pytest.mark.parametrize("text", ["🙂", "日本語", "a🙃b", "Ünïcödé"])
def test_no_piece_has_half_a_character(text: str) -> None:
    pieces, _ = said(text)
    assert "\ufffd" not in "".join(pieces)
    assert "".join(pieces) == text


@pytest.mark.parametrize(("text", "shown"), [("a🙂", "a"), ("🙂", ""), ("🙂 日", "🙂 ")])
def test_half_a_character_at_the_end_is_not_said(text: str, shown: str) -> None:
    answer = AnswerText(TOKENIZER, TOKENIZER.encode("Hello").ids, ())
    pieces = [answer.feed(token) for token in TOKENIZER.encode(text).ids[:-1]]
    assert "".join([*pieces, answer.finish()]) == shown


@pytest.mark.parametrize("before", ["한국어", "😀", "🦩 你好", "Hello", "\ufffd"])
@pytest.mark.parametrize("text", ["x", " 는", "🙂"])
def test_what_was_said_before_is_not_said_again(before: str, text: str) -> None:
    answer = AnswerText(TOKENIZER, TOKENIZER.encode(before).ids, ())
    pieces = [answer.feed(token) for token in TOKENIZER.encode(text).ids]
    assert "".join([*pieces, answer.finish()]) == text


@given(st.lists(st.sampled_from(["<0x41>", "<0xE4>", "<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "bar", "\u2581bar"])))
@example(["<0x41>", "<0xE4>", "bar"])
@example(["<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "<0xE4>", "bar"])
def test_bytes_that_are_no_character_harm_nobody(tokens: list[str]) -> None:
    """As with Gemma, Llama 2 and Mistral, whose tokenizers have a token for each byte."""
    bar, *ids = (int(BYTES.token_to_id(token) or 0) for token in ("bar", *tokens))
    answer = AnswerText(BYTES, [bar], ())
    said = "".join([*(answer.feed(token) for token in ids), answer.finish()])
    assert said.count("bar") == sum("bar" in token for token in tokens)


@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("one STOP two", ["STOP"], "one "),
        ("one ST two STO", ["STOP"], "one ST two STO"),
        ("aaab", ["aab"], "a"),
        ("one\n\nUser: two", ["\nUser:", "\n\nUser"], "one"),
        ("日本語", ["本"], "日"),
        ("one", ["", "three"], "one"),
    ],
)
def test_a_stop_ends_it_and_is_not_said(text: str, stops: list[str], shown: str) -> None:
    pieces, is_stopped = said(text, *stops)
    assert "".join(pieces) == shown
    assert is_stopped == (shown != text)


def test_what_cannot_begin_a_stop_is_said_at_once() -> None:
    pieces, _ = said("tape worker", "xyz")
    assert "".join(pieces[:-1]) == "tape worker"
