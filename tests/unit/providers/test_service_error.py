"""What services say of errors, in all the shapes that they have for it."""

from typing import Any

import msgspec
import pytest

from core.providers.http.service_error import MAX_MESSAGE_CHARS, ServiceError, is_error, without_secrets

CONTEXT_ERRORS = [
    # llama.cpp
    {"error": {"code": 400, "message": "request (294 tokens) exceeds the available context size (256 tokens)",
               "type": "exceed_context_size_error", "n_prompt_tokens": 294, "n_ctx": 256}},
    {"code": 400, "message": "the request exceeds the available context size"},
    {"code": 400, "message": "context too long"},
    # OpenAI
    {"error": {"message": "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 "
               "tokens.", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}},
    # vLLM
    {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 "
     "tokens (4000 in the messages, 1000 in the completion).", "type": "BadRequestError", "code": 400},
    # Mistral
    {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 "
     "maximum context length", "type": "invalid_request_error", "code": "3051"},
    # Gemini
    [{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens allowed "
                "(1048576).", "status": "INVALID_ARGUMENT"}}],
    # Anthropic, as proxies pass it on
    {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum", "type": "invalid_request_error"}},
    {"error": "input length and max_tokens exceed context limit"},
    # Groq
    {"error": {"message": "Please reduce the length of the messages or completion.", "type": "invalid_request_error"}},
]  # fmt: skip

PASSING = [
    {"error": {"message": "Overloaded", "type": "overloaded_error"}},
    {"error": {"message": "x", "type": "server_error", "code": None}},
    {"error": {"message": "x", "code": "rate_limit_exceeded", "type": "tokens"}},
    {"error": {"message": "x", "code": 503}},
    {"error": {"message": "x", "code": "529"}},
    {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
    [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}],
    {"error": {"code": 429, "message": "You exceeded your current quota, please check your plan and billing details.",
               "status": "RESOURCE_EXHAUSTED"}},
    {"error": "the model is overloaded, please try again"},
    {"object": "error", "message": "x", "type": "InternalServerError", "code": 500},
    {"detail": "Too Many Requests"},
]  # fmt: skip

FINAL = [
    {"error": {"message": "x", "type": "insufficient_quota", "code": "insufficient_quota"}},
    {"error": {"message": "Your credit balance is too low", "code": 503}},
    {"error": {"message": "x", "code": "content_policy_violation"}},
    {"error": {"message": "x", "code": "content_filter", "status": 400, "innererror": {"code": "Responsible"}}},
    {"error": {"message": "x", "type": "invalid_request_error", "code": None}},
    {"error": {"message": "Invalid API key provided", "code": 401}},
    {"error": {"message": "x", "type": "authentication_error"}},
    {"error": {"message": "x", "code": "model_not_found"}},
    {"object": "error", "message": "x", "type": "NotFoundError", "code": 404},
    {"object": "error", "message": "x", "type": "BadRequestError", "param": None, "code": 400},
    {"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED", "details": [
        {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}},
    {"error": {"message": "You have hit your daily quota", "code": 429}},
    {"error": "it does not work"},
    {"detail": [{"type": "extra_forbidden", "loc": ["body", "n"], "msg": "Extra inputs are not permitted"}]},
    {"error": {}},
    # OpenAI, of what is short by its nature
    {"error": {"message": "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum "
               "length 40, but got a string with length 45 instead.", "param": "messages[2].tool_calls[0].id",
               "type": "invalid_request_error", "code": "string_above_max_length"}},
    {"error": {"message": "'messages[0].name' is too long. Expected a string with maximum length 64.", "code": 400}},
]  # fmt: skip


def of(value: Any, status: int | None = None) -> ServiceError:
    return ServiceError.of_body(msgspec.json.encode(value), status)


@pytest.mark.parametrize("value", CONTEXT_ERRORS, ids=range(len(CONTEXT_ERRORS)))
def test_a_prompt_that_is_too_long(value: Any) -> None:
    for error in (of(value), of(value, 400)):
        assert (error.is_context, error.is_passing) == (True, False)


def test_how_much_of_a_prompt_fits() -> None:
    assert of(CONTEXT_ERRORS[0]).fits == pytest.approx(256 / 294)
    assert of(CONTEXT_ERRORS[3]).fits is None


@pytest.mark.parametrize("value", PASSING, ids=range(len(PASSING)))
def test_what_may_be_over_soon(value: Any) -> None:
    assert of(value).is_passing


@pytest.mark.parametrize("value", FINAL, ids=range(len(FINAL)))
def test_what_a_retry_does_not_mend(value: Any) -> None:
    error = of(value)
    assert (error.is_passing, error.is_context) == (False, False)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 410, 413, 422, 451, 501, 505])
def test_statuses_that_are_final(status: int) -> None:
    assert not of({"error": {"message": "x"}}, status).is_passing


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529])
def test_statuses_that_pass(status: int) -> None:
    assert of({"error": {"message": "x"}}, status).is_passing
    assert not of({"error": {"message": "x", "code": "insufficient_quota"}}, status).is_passing


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"It broke."}}', "It broke."),
        (b'{"error":"It broke."}', "It broke."),
        (b'{"message":"It broke."}', "It broke."),
        (b'{"detail":"It broke."}', "It broke."),
        (b'{"errors":[{"message":"It broke."},{"message":"Twice."}]}', "It broke.; Twice."),
        (b'{"errors":["It broke."]}', "It broke."),
        (b'[{"error":{"message":"It broke."}}]', "It broke."),
        (b'{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"It broke."}]}}', "body.n: It broke."),
        (b'{"fault":{"faultstring":"It broke."}}', "It broke."),
        (b'{"title":"It broke.","status":500}', "It broke."),
        (b'{"error":"invalid","error_description":"It broke."}', "invalid"),
        (b'"It broke."', "It broke."),
        (b"It broke.\n", "It broke."),
        (b"  It\r\n\tbroke.\x00\x1b ", "It broke."),
        (b"<!doctype html><title>It broke.</title>", ""),
        (b'{"error":{"message":"It br', ""),
        (b"", ""),
        (b"null", ""),
        (b"17", ""),
        (b'{"error":{"message":7}}', ""),
        (b'{"error":{"message":"cut here: \\ud83d"}}', "cut here: \ufffd"),
        (b'{"error":{"message":"\xff\\u0000 it"}}', "\ufffd it"),
        (b'{"error":' * 5000, ""),
    ],
)
def test_its_own_words_on_one_line(body: bytes, message: str) -> None:
    assert ServiceError.of_body(body, 500).message == message


def test_a_message_is_not_longer_than_anybody_reads() -> None:
    assert len(of({"error": "x" * 100_000}).message) == MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    "value",
    [
        {"choices": []},
        {"choices": [], "error": None},
        {"usage": {}},
        {},
        [],
        None,
        7,
        "a",
        {"message": {"content": "a"}},
    ],
)
def test_what_tells_of_no_error(value: Any) -> None:
    assert not is_error(value)


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: the-very-key.",
        "Incorrect API key provided: sk-proj-********************abcd.",
        "Incorrect API key provided: sk-proj-abcdefghijk.",
        "key ****abcd is not known",
    ],
)
def test_keys_are_not_repeated(said: str) -> None:
    told = without_secrets(said, ("the-very-key",))
    assert "***" in told
    assert not any(word in told for word in ("the-very-key", "abcd", "sk-"))
