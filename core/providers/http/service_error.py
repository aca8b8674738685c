"""What a model's service says of an error, in whatever shape: OpenAI's, vLLM's, llama.cpp's, Mistral's, Gemini's,
FastAPI's, or a plain text."""

import re
from collections.abc import Iterator
from typing import Any, Self

import msgspec

from core.providers.http.lenient_json import parse

MAX_MESSAGE_CHARS = 500
_MAX_DEPTH = 6
_MAX_LISTED = 3
"""Of a list of errors, such as FastAPI's."""
_MESSAGE_KEYS = ("message", "msg", "error", "errors", "detail", "error_description", "fault", "faultstring", "title")
"""Where the words are, or what holds them; the first that there is."""
_KIND_KEYS = ("code", "error_code", "type", "status", "reason")
"""What kind of error it is, the most exact first."""

_FINAL = """
    insufficientquota quotaexceeded billinghardlimitreached billingnotactive billingerror creditbalanceexhausted
    creditbalancetoolow enforcedspendlimitreached insufficientbalance insufficientcredits paymentrequired
    accountdeactivated accessterminated invalidrequesterror invalidrequest invalidargument badrequest
    badrequesterror failedprecondition outofrange unsupportedparameter unsupportedvalue unprocessableentity
    validationerror requesttoolarge stringabovemaxlength contextlengthexceeded exceedcontextsizeerror
    contextwindowexceedederror authenticationerror invalidapikey unauthenticated unauthorized permissionerror
    permissiondenied permissiondeniederror forbidden notfounderror notfound modelnotfound modeldecommissioned
    contentfilter contentpolicyviolation contentpolicyviolationerror responsibleaipolicyviolation safety
    datainspectionfailed
""".split()  # noqa: SIM905 - a table
_PASSING = """
    overloaded overloadederror engineoverloaded engineoverloadederror modeloverloaded serverbusy slowdown
    ratelimiterror ratelimitexceeded ratelimited toomanyrequests resourceexhausted servererror
    internalservererror internalerror internal apierror upstreamerror badgateway networkerror timeout
    timeouterror requesttimeout gatewaytimeout deadlineexceeded aborted unavailable unavailableerror
    serviceunavailable serviceunavailableerror temporarilyunavailable capacityexceeded nocapacity
""".split()  # noqa: SIM905 - a table
_IS_PASSING = {**dict.fromkeys(_FINAL, False), **dict.fromkeys(_PASSING, True)}
"""By the word for a kind, without its case and its signs."""
_REQUEST_KINDS = """
    invalidrequesterror invalidrequest invalidargument badrequest badrequesterror failedprecondition outofrange
    unsupportedparameter unsupportedvalue unprocessableentity validationerror requesttoolarge stringabovemaxlength
    contentfilter contentpolicyviolation contentpolicyviolationerror responsibleaipolicyviolation safety
    datainspectionfailed
""".split()  # noqa: SIM905 - a table
_KEY_KINDS = {"authenticationerror", "invalidapikey", "apikeyinvalid", "unauthenticated", "unauthorized"}
_CONTEXT_KINDS = {"contextlengthexceeded", "exceedcontextsizeerror", "contextwindowexceedederror"}

_SAYS_PASSING = re.compile(
    r"overload|rate.?limit|too many requests|try again|temporar|at capacity|loading", re.IGNORECASE
)
_SAYS_FINAL = re.compile(
    r"insufficient (quota|credit|balance|funds)|credit balance"
    r"|(daily|per ?day)[^{}]{0,80}quota|quota[^{}]{0,80}(daily|per ?day)",
    re.IGNORECASE,
)
_SAYS_CONTEXT = re.compile(
    r"context.{0,20}(length|size|window|limit).{0,60}(exceed|too long|too large|reach|is \d)"
    r"|(exceed|larger than|beyond|over).{0,60}context.{0,20}(length|size|window|limit)"
    r"|context (is |was )?too (long|large)|maximum context|maximum number of (input )?tokens|max_model_len"
    r"|(prompt|input|request|conversation|messages?).{0,60}(?<!string )too (long|many tokens)(?!.{0,20}\bstring\b)"
    r"|reduce the length of the (messages|input)",
    re.IGNORECASE,
)
_MASKED = re.compile(r"\S*\*{3,}\S*|\b(sk|pk|rk|gsk|xai|hf|pplx|nvapi|key)[-_][\w-]{6,}|\bAIza[\w-]{10,}")
"""A key, or what is left of it."""
_NO_TEXT = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_PASSING_STATUSES = frozenset({408, 409, 425, 429})
_FINAL_SERVER_STATUSES = frozenset({501, 505, 506, 508, 510, 511})
_REQUEST_STATUSES = frozenset({400, 413, 422})
_CONTEXT_STATUSES = _REQUEST_STATUSES | {None}
_SIGNS = re.compile(r"[^a-z0-9]")


class ServiceError(msgspec.Struct, frozen=True):
    message: str = ""
    """Of the service's own words, on one line; empty where it has none for people."""
    status: int | None = None
    """HTTP's, or one of HTTP's that the error itself tells."""
    is_passing: bool = False
    """Whether the same request may succeed later."""
    is_of_key: bool = False
    """The key was refused."""
    is_context: bool = False
    """The prompt is longer than the model can read."""
    is_of_request: bool = False
    """The request is at fault, in its form or in what it asks for."""
    fits: float | None = None
    """Which share of the prompt has room, where the service gives the numbers."""

    @classmethod
    def of_body(cls, body: bytes, status: int | None = None) -> Self:
        """Of a response with this status; `body` may be cut off. A page of HTML has no words for us."""
        text = body.strip()
        try:
            return cls.of(parse(text), status)
        except ValueError:
            is_text = text[:1] not in (b"<", b"{", b"[")
            return cls.of(text.decode("utf-8", "replace") if is_text else None, status)

    @classmethod
    def of(cls, value: Any, status: int | None = None) -> Self:
        """Of a JSON value."""
        message = readable(_message_of(value) or "")
        kinds = [*_kinds_of(value)]
        words = [_SIGNS.sub("", kind.lower()) for kind in kinds if isinstance(kind, str)]
        if status is None:
            status = next((number for kind in kinds if (number := _status_of(kind)) is not None), None)
        is_context = not _CONTEXT_KINDS.isdisjoint(words) or (
            status in _CONTEXT_STATUSES and _SAYS_CONTEXT.search(message) is not None
        )
        is_of_key = not _KEY_KINDS.isdisjoint(words) or status in (401, 403)
        is_spent = _says_final(value, message)
        known = next((word for word in words if word in _IS_PASSING), None)
        is_of_request = not (is_of_key or is_spent) and (
            status in _REQUEST_STATUSES or (status is None and known in _REQUEST_KINDS)
        )
        if is_context or is_spent:
            is_passing = False
        elif known is not None:
            is_passing = _IS_PASSING[known]
        elif status is not None:
            is_passing = may_pass(status)
        else:
            is_passing = _SAYS_PASSING.search(message) is not None
        return cls(
            message,
            status,
            is_passing,
            is_of_key=is_of_key,
            is_context=is_context,
            is_of_request=is_of_request and not is_passing,
            fits=_fits(value),
        )


def may_pass(status: int) -> bool:
    """Whether the same request may have a better one later."""
    return status in _PASSING_STATUSES or (status >= 500 and status not in _FINAL_SERVER_STATUSES)


def is_error(value: Any) -> bool:
    """Whether a JSON value that came in place of an answer, or of a piece of it, tells of an error."""
    match value:
        case [first, *_]:
            return is_error(first)
        case {"error": error} if error:
            return True
        case {"object": "error"} | {"type": "error"}:
            return True
        case {"choices": _}:
            return False
        case dict():
            return any(isinstance(value.get(key), str | list) for key in ("message", "detail", "errors", "msg"))
        case _:
            return False


def readable(text: str) -> str:
    """On one line, without what no database takes, and not longer than anybody reads."""
    return _NO_TEXT.sub(" ", text).strip()[:MAX_MESSAGE_CHARS]


def without_secrets(text: str, secrets: tuple[str, ...]) -> str:
    """Services like to quote the key that they refuse."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _MASKED.sub("***", text)


def _message_of(value: Any, depth: int = 0) -> str | None:
    """The first words in it."""
    if depth > _MAX_DEPTH:
        return None
    match value:
        case str():
            return value
        case list():
            said = (_message_of(each, depth + 1) for each in value[:_MAX_LISTED])
            return "; ".join(filter(None, said)) or None
        case dict():
            said = (_message_of(value[key], depth + 1) for key in _MESSAGE_KEYS if value.get(key))
            message = next(filter(None, said), None)
            place = value.get("loc")  # of FastAPI: where in the request
            if message and isinstance(place, list):
                return f"{'.'.join(map(str, place))}: {message}"
            return message
        case _:
            return None


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The innermost of the error first."""
    if depth > _MAX_DEPTH:
        return
    match value:
        case list():
            for each in value[:_MAX_LISTED]:
                yield from _objects(each, depth + 1)
        case dict():
            for key in ("error", "errors", "details", "detail", "violations", "message", "fault"):
                yield from _objects(value.get(key), depth + 1)
            yield value


def _kinds_of(value: Any) -> Iterator[Any]:
    objects = [*_objects(value)]
    for key in _KIND_KEYS:
        for each in objects:
            if key in each:
                yield each[key]


def _status_of(kind: Any) -> int | None:
    if isinstance(kind, str) and kind.isascii() and kind.isdigit():
        kind = int(kind[:4])
    is_status = isinstance(kind, int | float) and not isinstance(kind, bool) and 400 <= kind <= 599
    return int(kind) if is_status else None


def _says_final(value: Any, message: str) -> bool:
    """A quota of the day, or money, which a retry does not bring back."""
    details = [f"{key} {text}" for each in _objects(value) for key, text in each.items() if isinstance(text, str)]
    return any(map(_SAYS_FINAL.search, [message, *details]))


def _fits(value: Any) -> float | None:
    for each in _objects(value):
        prompt, context = each.get("n_prompt_tokens"), each.get("n_ctx")
        if isinstance(prompt, int) and isinstance(context, int) and 0 < context < prompt:
            return context / prompt
    return None
