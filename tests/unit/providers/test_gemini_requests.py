"""What Gemini is asked, in its own words, which the types of its SDK take."""

import pytest
from google.genai.types import Content, FunctionCallingConfig, GenerateContentConfig, Tool
from pydantic import TypeAdapter

from core.providers.anthropic.events import SIGNATURE
from core.providers.base import Message, Request, Thought
from core.providers.gemini import chunks
from core.providers.gemini import request as gemini
from core.providers.gemini.provider import GeminiProvider
from core.providers.http.client import HttpClient
from tests.unit.providers.conformance import read
from tests.unit.providers.conversation import CALLS, CONVERSATION, OPTIONS, SCHEMA, TOOL, WANTED, asking
from tests.unit.providers.upstream import Upstream, whole

pytestmark = pytest.mark.anyio


def test_gemini() -> None:
    signed = [Thought(chunks.SIGNATURE, "sig", "1"), Thought(SIGNATURE, "another's", "2")]
    messages = [*CONVERSATION[:2], Message("assistant", "Let me see.", CALLS, thoughts=signed), *CONVERSATION[3:]]
    options = {**OPTIONS, "seed": 7, "presence_penalty": 0.1, "frequency_penalty": 0.2}
    body = gemini.body_of(asking(messages=messages, options=options, response_format=WANTED))
    TypeAdapter(list[Content]).validate_python(body["contents"])
    TypeAdapter(list[Tool]).validate_python(body["tools"])
    GenerateContentConfig.model_validate(body["generationConfig"])
    FunctionCallingConfig.model_validate(body["toolConfig"]["functionCallingConfig"])
    assert body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 50,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "low"},
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "now",
                        "description": "Tells the time.",
                        "parametersJsonSchema": TOOL["function"]["parameters"],  # type: ignore[index]
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "contents": [
            {"role": "user", "parts": [{"text": "What time is it?"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Let me see."},
                    {
                        "functionCall": {"id": "1", "name": "now", "args": {"in": "UTC"}},
                        "thoughtSignature": "sig",
                    },
                    {"functionCall": {"id": "2", "name": "later", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "1", "name": "now", "response": {"result": "noon"}}},
                    {"functionResponse": {"id": "2", "name": "later", "response": {"result": "never"}}},
                    {"text": "And here?"},
                    {"inlineData": {"mimeType": "image/png", "data": "cG5n"}},
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    ("model", "base", "path"),
    [
        ("gemini-x", "", "/v1/models/gemini-x:streamGenerateContent?alt=sse"),
        ("models/gemini-x", "/v1beta", "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"),
        ("a/b c", "/gemini/v1beta/", "/gemini/v1beta/models/a%2Fb%20c:streamGenerateContent?alt=sse"),
    ],
)
async def test_the_addresses_of_gemini(upstream: Upstream, http: HttpClient, model: str, base: str, path: str) -> None:
    provider = GeminiProvider("key", upstream.url + base, http)
    upstream.say(whole(200, b'data: {"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}]}\n\n'))
    await read(provider.stream(Request(model, [Message("user", "hi")])))
    assert [(asked.path, asked.headers["x-goog-api-key"]) for asked in upstream.asked] == [(path, "key")]


@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("gemini-flash-latest", gemini.NO_SIGNATURE),
        ("gemini-3.5-pro", gemini.NO_SIGNATURE),
        ("models/gemini-2.5-flash", None),
        ("gemini-1.5-pro", None),
    ],
)
def test_calls_of_a_caller_s_own_have_no_signature_to_give(model: str, signature: str | None) -> None:
    """Which newer models want of the first of the calls that came together."""
    messages = [*CONVERSATION[:2], Message("assistant", "", CALLS), *CONVERSATION[3:]]
    body = gemini.body_of(Request(model, messages))
    TypeAdapter(list[Content]).validate_python(body["contents"])
    calls = [part for content in body["contents"] for part in content["parts"] if "functionCall" in part]
    assert [call.get("thoughtSignature") for call in calls] == [signature, None]
