"""What goes wrong with a model's service, and what is said of it."""

import json
from typing import Any, NamedTuple

from core.model.errors import ProviderDropped, ProviderError

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
MAX_MESSAGE_CHARS = 500
"""Of what a service says."""


class SettingNames(NamedTuple):
    """The settings that a person may have to look at."""

    key: str
    address: str


class ServiceFailure(Exception):
    """The service has not answered as it should."""


class Refused(ServiceFailure):
    """The service answered with an error's status. `body` is JSON as a rule, and may be cut off; `retry_after` is in
    seconds from now."""

    def __init__(self, status: int, body: bytes, retry_after: float | None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class Broken(ServiceFailure):
    """The service cannot be reached, or broke off."""


class TooLate(Broken):
    """The service did not answer, or fell silent."""


class Unreadable(ServiceFailure):
    """What came is not what such a service sends."""


class ReportedError(ServiceFailure):
    """The service tells of an error in the middle of the stream; the message is its own."""


class EndedEarly(ServiceFailure):
    """The service ended the stream without finishing the answer."""


def provider_error(failure: ServiceFailure, names: SettingNames, *, has_begun: bool) -> ProviderError:
    """What a caller is told. `has_begun`: whether there were parts before it."""
    transient = isinstance(failure, Broken | EndedEarly)
    match failure:
        case Refused():
            return _refusal(failure, names)
        case TooLate():
            message = "the model's service did not answer in time"
        case Broken():
            message = f"the model's service cannot be reached or broke off; see {names.address}"
        case ReportedError():
            message = f"the model's service reported: {str(failure)[:MAX_MESSAGE_CHARS]}"
        case EndedEarly():
            message = "the model's service ended the stream without finishing the answer"
        case _:
            message = "the model's service sent something that cannot be read"
    return ProviderDropped(message) if has_begun else ProviderError(message, transient=transient)


def message_of(error: Any) -> str:
    """What an `error` member in a service's JSON says; the services have it as a text or as an object."""
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _refusal(refused: Refused, names: SettingNames) -> ProviderError:
    if refused.status in (401, 403):  # the service's own text may quote the key
        return ProviderError(f"the model's service refused the key ({refused.status}); see {names.key}")
    said = _said(refused.body)[:MAX_MESSAGE_CHARS]
    return ProviderError(
        f"the model's service answered {refused.status}" + (f": {said}" if said else ""),
        transient=refused.status in TRANSIENT_STATUSES,
        retry_after=refused.retry_after,
    )


def _said(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # a proxy's page, perhaps, or cut off
        return ""
    return message_of(content.get("error", content) if isinstance(content, dict) else None)
