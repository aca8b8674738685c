"""Every error the product raises: a stable `code` for clients and the HTTP status it means."""

from collections.abc import Iterator

QUEUE_RETRY_SECONDS = 10
"""A full queue is minutes long; who is refused asks again soon, because those who gave up leave gaps."""


class HopstreamError(Exception):
    """The root. A subclass sets `code` (stable, for clients), `status` and `title`; the message is for people."""

    code = "internal_error"
    status = 500
    title = "Something went wrong on our side"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        """The field of the request that is wrong."""
        self.retry_after = retry_after
        """Seconds after which a retry makes sense, for the `Retry-After` header."""
        self.extensions: dict[str, object] = {}
        """Further members of the problem (RFC 9457, 3.2)."""
        self.headers = headers or {}
        """Further headers of the response."""


class InvalidEventId(HopstreamError):
    code = "invalid_event_id"
    status = 400
    title = "Last-Event-ID is not valid"


class NotAcceptable(HopstreamError):
    code = "not_acceptable"
    status = 406
    title = "Nothing that is asked for can be sent"


class TooLarge(HopstreamError):
    code = "too_large"
    status = 413
    title = "The request is too large"


class TooSlow(HopstreamError):
    code = "too_slow"
    status = 408
    title = "The request took too long"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, field=field, headers={"Connection": "close"})


class Unauthorized(HopstreamError):
    code = "unauthorized"
    status = 401
    title = "An API key is needed"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class RateLimited(HopstreamError):
    code = "rate_limited"
    status = 429
    title = "This API key asks too often"


class NotFound(HopstreamError):
    code = "not_found"
    status = 404
    title = "Not found"


class PreconditionFailed(HopstreamError):
    """What a request asks for on a condition (RFC 9110, 13) that does not hold."""

    code = "precondition_failed"
    status = 412
    title = "The condition of the request does not hold"


class TurnRunning(HopstreamError):
    code = "turn_running"
    status = 409
    title = "A turn of this session is still running"


class ConversationBusy(HopstreamError):
    code = "conversation_busy"
    status = 429
    title = "Too many messages of this conversation wait"


class DirectTurn(HopstreamError):
    code = "direct_turn"
    status = 409
    title = "A running direct turn can be read by its own client only"


class QueueFull(HopstreamError):
    """`queue_length` turns wait already."""

    code = "queue_full"
    status = 429
    title = "Too many turns are waiting"

    def __init__(self, queue_length: int, limit: int) -> None:
        super().__init__(f"{queue_length} turns are waiting; the limit is {limit}", retry_after=QUEUE_RETRY_SECONDS)
        self.extensions = {"queue_length": queue_length}


class SlowReader(HopstreamError):
    """A watcher that is too far behind to go on."""

    code = "slow_reader"
    status = 408
    title = "The reader is too slow"


class TooManyStreams(HopstreamError):
    code = "too_many_streams"
    status = 429
    title = "Too many streams are open"


class ReplaceConflict(HopstreamError):
    code = "replace_conflict"
    status = 409
    title = "Only the latest, finished turn of a session can be replaced"


class BrokerDown(HopstreamError):
    code = "broker_down"
    status = 503
    title = "RabbitMQ cannot be reached"


class StoreDown(HopstreamError):
    code = "store_down"
    status = 503
    title = "The database cannot be reached"


class NotStorable(HopstreamError):
    """The database refuses a value, and would again."""

    code = "not_storable"
    status = 422
    title = "The database does not take a value"


class ProviderError(HopstreamError):
    """The model's service failed."""

    code = "provider_error"
    status = 502
    title = "The model's service failed"

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        is_away: bool = False,
        is_silent: bool = False,
        is_rate_limit: bool = False,
        is_of_request: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.transient = transient
        """The same request may succeed later."""
        self.is_away = is_away
        """The service may be restarting."""
        self.is_silent = is_silent
        """It did not answer in time, and would most likely cost the same time again."""
        self.is_rate_limit = is_rate_limit
        self.is_of_request = is_of_request
        """The request is at fault: another service has no reason to take it."""


class ProviderDropped(ProviderError):
    """The model's service broke off after the first token, so that another answer may come to its end."""

    code = "provider_drop"

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


class ContextTooLong(ProviderError):
    """The prompt is longer than the model can read. `fits`: the share of it that has room, where the service tells."""

    code = "context_too_long"
    status = 400
    title = "The conversation is too long for the model"

    def __init__(self, message: str, *, fits: float | None = None) -> None:
        super().__init__(message, is_of_request=True)
        self.fits = fits


class UnsupportedOption(ProviderError):
    """The model's service has not got what the question asks for; it was not asked."""

    code = "unsupported_option"
    status = 400
    title = "The model's service has no such option"

    def __init__(self, message: str) -> None:
        super().__init__(message, is_of_request=True)


class UnknownModel(HopstreamError):
    code = "unknown_model"
    status = 400
    title = "There is no such model"


class EmptyAnswer(ProviderError):
    """The model ended its answer in order, but had said nothing."""

    code = "empty_answer"
    title = "The model answered with nothing"


class AttemptsExhausted(HopstreamError):
    code = "attempts_exhausted"
    title = "The turn was given up after its last attempt"


class JobDead(HopstreamError):
    """The job queue threw the turn's job out."""

    code = "job_dead"
    title = "The turn's job could not be delivered"


class TimeLimit(HopstreamError):
    code = "time_limit"
    status = 504
    title = "The turn took longer than it may"


class AttemptLost(HopstreamError):
    """This attempt is no longer the turn's own: it was ended, or taken over, elsewhere."""

    code = "attempt_lost"
    status = 503
    title = "The answer was ended elsewhere"


class Upgrading(HopstreamError):
    """A process of an earlier release lives, and would not understand the turn."""

    code = "upgrading"
    status = 503
    title = "The release is being changed"


class Closing(HopstreamError):
    code = "closing"
    status = 503
    title = "This process is shutting down"

    def __init__(self, message: str = "the server restarts; reconnect") -> None:
        super().__init__(message, retry_after=1)


def error_of(code: str, message: str) -> HopstreamError:
    """A plain HopstreamError with this code, its status and its title: a stored turn tells no more than the code."""
    error = HopstreamError(message)
    error.code = code
    for kind in _kinds(HopstreamError):
        if kind.code == code:
            error.status, error.title = kind.status, kind.title
    return error


def _kinds(kind: type[HopstreamError]) -> Iterator[type[HopstreamError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
