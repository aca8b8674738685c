"""What goes wrong with a model's service, and what is said of it."""

from http import HTTPStatus
from typing import NamedTuple

from core.model.errors import ContextTooLong, ProviderDropped, ProviderError
from core.providers.http.service_error import ServiceError, without_secrets

_AWAY_STATUSES = (502, 503, 521, 522, 523)
"""Of a server that is not yet ready, or of a proxy that does not reach it."""


class SettingNames(NamedTuple):
    """The settings that a person may have to look at."""

    key: str
    address: str
    hint: str = ""
    """How such an address looks."""


class Service(NamedTuple):
    """What a failure is told of."""

    settings: SettingNames
    secrets: tuple[str, ...] = ()
    """Are not repeated, whatever the service says."""


class ServiceFailure(Exception):
    """The service has not answered as it should."""


class Refused(ServiceFailure):
    """The service answered with an error's status. `body` may be cut off; `retry_after` is in seconds from now, and
    `should_retry` what the header x-should-retry says."""

    def __init__(
        self, status: int, body: bytes, retry_after: float | None = None, should_retry: bool | None = None
    ) -> None:
        super().__init__(f"status {status}")
        self.error = ServiceError.of_body(body, status)
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.should_retry = should_retry


class Broken(ServiceFailure):
    """The service cannot be reached, or broke off."""


class Unreachable(Broken):
    """No connection could be made, so that nothing was asked."""


class NotTrusted(Broken):
    """Its certificate cannot be verified."""


class TooLate(Broken):
    """The service did not answer, or fell silent."""


class Unreadable(ServiceFailure):
    """What came is not what such a service sends."""


class WebPage(ServiceFailure):
    """The address is that of something for people."""


class ReportedError(ServiceFailure):
    """The service tells of an error in the place of an answer, or in the middle of one."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.message)
        self.error = error


class EndedEarly(ServiceFailure):
    """The service ended the stream without finishing the answer."""


def provider_error(failure: ServiceFailure, service: Service, *, has_begun: bool) -> ProviderError:
    """What a caller is told. `has_begun`: whether there were parts before it."""
    match failure:
        case Refused(error=error):
            said = _told(error, service, f"the model's service answered {failure.status}")
            if failure.status in (404, 405) and "model" not in error.message.lower():
                said += f"; see {service.settings.address}"
            is_passing = error.is_passing if failure.should_retry is None else failure.should_retry
            told = _context_or(error, said) or ProviderError(
                said,
                transient=is_passing and not error.is_context,
                is_away=failure.status in _AWAY_STATUSES,
                is_rate_limit=failure.status == HTTPStatus.TOO_MANY_REQUESTS,
                is_of_request=error.is_of_request and not is_passing,
                retry_after=failure.retry_after,
            )
        case ReportedError(error=error):
            code = "" if error.status is None else f" ({error.status})"
            said = _told(error, service, f"the model's service reported an error{code}")
            told = _context_or(error, said) or ProviderError(
                said,
                transient=error.is_passing,
                is_rate_limit=error.status == HTTPStatus.TOO_MANY_REQUESTS,
                is_of_request=error.is_of_request,
            )
        case TooLate():
            told = ProviderError("the model's service did not answer in time", transient=True, is_silent=True)
        case NotTrusted():
            told = ProviderError(f"the model's service has no certificate to trust; see {service.settings.address}")
        case Broken():
            message = f"the model's service cannot be reached or broke off; see {service.settings.address}"
            told = ProviderError(message, transient=True, is_away=isinstance(failure, Unreachable))
        case EndedEarly():
            told = ProviderError("the model's service ended the stream without finishing the answer", transient=True)
        case WebPage():
            told = ProviderError(
                f"the model's service answered with a web page; see {service.settings.address}{service.settings.hint}"
            )
        case _:
            told = ProviderError("the model's service sent something that cannot be read", transient=has_begun)
    return ProviderDropped(told.message) if has_begun and told.transient else told


def _told(error: ServiceError, service: Service, what: str) -> str:
    if error.is_of_key:
        what = f"the model's service refused the key ({error.status or 401}), see {service.settings.key}"
    return f"{what}: {without_secrets(error.message, service.secrets)}" if error.message else what


def _context_or(error: ServiceError, said: str) -> ProviderError | None:
    return ContextTooLong(said, fits=error.fits) if error.is_context else None
