"""What every provider that speaks HTTP says of a service that fails, and when it lets go of it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import psutil
import pytest

from bench.processes import free_port
from core.model.errors import ProviderDropped, ProviderError
from core.model.parts import Text
from core.model.tape import Tape
from core.providers.base import Finish, Provider, Stream
from core.providers.http.client import MAX_ERROR_BYTES, HttpClient
from tests.patience import without_lag
from tests.unit.providers.conformance import CLOSED_SECONDS, read, read_in_ticks
from tests.unit.providers.http_providing import (
    FINISH,
    KERNEL_BYTES,
    KEY,
    SHORT_TIMEOUT,
    TEXTS,
    HttpProviding,
    stream_of,
)
from tests.unit.providers.upstream import END, Step, Then, Upstream, chunk, head, whole

TRANSIENT = (408, 409, 425, 429, 500, 502, 503, 504, 529)
FINAL = (400, 401, 402, 403, 404, 413, 422, 501)
Read = Callable[[Stream, Tape], Awaitable[tuple[Tape, Finish]]]
impatient = pytest.mark.parametrize("timeout", [SHORT_TIMEOUT])
both_ways = pytest.mark.parametrize("read_to_end", [read, read_in_ticks])


class HttpFailures(HttpProviding):
    @pytest.mark.parametrize("status", [*TRANSIENT, *FINAL])
    async def test_a_status_says_whether_a_retry_may_help(
        self, provider: Provider, upstream: Upstream, status: int
    ) -> None:
        upstream.say(whole(status, self.error("The service is not well."), Retry_After="7"))
        error = await _failure_of(stream_of(provider))
        assert str(status) in error.message
        assert error.transient is (status in TRANSIENT)
        if status not in (401, 403):
            assert "The service is not well." in error.message
            assert error.retry_after == 7

    @pytest.mark.parametrize("status", [400, 404, 501])
    async def test_a_model_that_does_not_stream_is_asked_for_the_whole(
        self, provider: Provider, upstream: Upstream, status: int
    ) -> None:
        document = self.document("Hello")
        if document is None:
            pytest.skip("the service has no other way")
        upstream.say_first(whole(status, self.error("Streaming is not supported for this model.")))
        upstream.say(whole(200, document))
        answers = [await read(stream_of(provider)) for _ in range(2)]
        assert [(tape.text(), finish.reason) for tape, finish in answers] == [("Hello", "stop")] * 2
        wants_streams = [b'"stream":true' in asked.body or "stream" in asked.path for asked in upstream.asked]
        assert wants_streams == [True, False, False]  # it is remembered

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_refused_key_is_not_quoted(self, provider: Provider, upstream: Upstream, status: int) -> None:
        upstream.say(whole(status, self.error(f"Incorrect key {KEY}.")))
        error = await _failure_of(stream_of(provider))
        assert KEY not in error.message
        assert "refused the key" in error.message

    async def test_a_date_to_come_back_at(self, provider: Provider, upstream: Upstream) -> None:
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
        upstream.say(whole(429, self.error("slow down"), Retry_After=at))
        assert (await _failure_of(stream_of(provider))).retry_after == pytest.approx(3600, abs=60)

    async def test_an_error_that_is_a_page_is_told_by_its_status(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(whole(502, b"<html>Bad Gateway</html>"))
        error = await _failure_of(stream_of(provider))
        assert (error.message, error.transient) == ("the model's service answered 502", True)

    async def test_an_error_without_an_end_is_read_no_further_than_it_helps(
        self, provider: Provider, upstream: Upstream
    ) -> None:
        upstream.say(head(503), itertools.repeat(chunk(b"x" * MAX_ERROR_BYTES)))
        assert "503" in (await _failure_of(stream_of(provider))).message
        await upstream.until_open(0)
        assert upstream.sent_bytes < MAX_ERROR_BYTES + KERNEL_BYTES

    async def test_a_service_that_is_not_there(self, http: HttpClient) -> None:
        error = await _failure_of(stream_of(self.provider_of(f"http://127.0.0.1:{free_port()}", http)))
        assert "cannot be reached" in error.message
        assert error.transient

    async def test_a_service_that_speaks_no_http(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(b"SSH-2.0-OpenSSH\r\n")
        error = await _failure_of(stream_of(provider))
        assert "cannot be reached" in error.message
        assert error.transient

    @pytest.mark.parametrize("first_timeout", [SHORT_TIMEOUT])
    @pytest.mark.parametrize("said", [(), (head(),)], ids=["nothing", "a head"])
    async def test_a_service_that_never_begins(
        self, provider: Provider, upstream: Upstream, said: tuple[Step, ...]
    ) -> None:
        upstream.say(*said, then=Then.SILENCE)
        begin = monotonic()
        error = await _failure_of(stream_of(provider))
        assert ("in time" in error.message, error.transient) == (True, True)
        assert monotonic() - begin >= SHORT_TIMEOUT
        await upstream.until_open(0, CLOSED_SECONDS)

    @impatient
    @both_ways
    async def test_a_service_that_falls_silent(self, provider: Provider, upstream: Upstream, read_to_end: Read) -> None:
        await self._assert_drop(provider, upstream, read_to_end, then=Then.SILENCE, match="in time")
        await upstream.until_open(0, CLOSED_SECONDS)

    @pytest.mark.parametrize("timeout", [1.0])
    @both_ways
    async def test_a_service_that_is_slow_has_not_fallen_silent(
        self, provider: Provider, upstream: Upstream, read_to_end: Read
    ) -> None:
        slowly: list[Step] = [step for event in self.events(TEXTS) for step in (0.3, chunk(event))]
        upstream.say(head(), *slowly, chunk(self.end(FINISH)), END)

        async def read_slowly() -> None:
            tape, finish = await read_to_end(stream_of(provider), Tape())
            assert (tape.text(), finish) == ("".join(TEXTS), FINISH)

        await without_lag(0.3, read_slowly)

    async def test_a_frozen_service_is_not_waited_for(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(head(), chunk(self.event(Text("a"))), then=Then.SILENCE)
        stream = stream_of(provider)
        await anext(stream)
        upstream.freeze()
        await stream.aclose()
        async with asyncio.timeout(CLOSED_SECONDS):
            while _sockets_to(upstream.port):  # noqa: ASYNC110 - the system does not tell
                await asyncio.sleep(0.01)

    @both_ways
    async def test_a_service_that_breaks_off(self, provider: Provider, upstream: Upstream, read_to_end: Read) -> None:
        await self._assert_drop(provider, upstream, read_to_end, then=Then.BREAK_OFF, match="broke off")

    @both_ways
    async def test_a_service_that_ends_without_finishing(
        self, provider: Provider, upstream: Upstream, read_to_end: Read
    ) -> None:
        await self._assert_drop(provider, upstream, read_to_end, END, match="without finishing")

    @impatient
    @both_ways
    async def test_a_service_that_spoils_its_chunks(
        self, provider: Provider, upstream: Upstream, read_to_end: Read
    ) -> None:
        # aiohttp closes the connection without a word to whoever waits, so that this may take as long as silence
        await self._assert_drop(provider, upstream, read_to_end, b"no chunk\r\n", match="broke off|in time")

    @both_ways
    async def test_an_event_that_is_none(self, provider: Provider, upstream: Upstream, read_to_end: Read) -> None:
        pieces = [chunk(piece) for event in self.events(TEXTS) for piece in (self.nonsense(), event)]
        upstream.say(head(), *pieces, chunk(self.end(FINISH)), END)
        tape, finish = await read_to_end(stream_of(provider), Tape())
        assert (tape.text(), finish) == ("".join(TEXTS), FINISH)

    @both_ways
    async def test_events_that_are_none_without_an_end(
        self, provider: Provider, upstream: Upstream, read_to_end: Read
    ) -> None:
        nonsense = itertools.repeat(chunk(self.nonsense()))
        await self._assert_drop(provider, upstream, read_to_end, nonsense, match="cannot be read")

    @both_ways
    async def test_an_event_that_never_ends(self, provider: Provider, upstream: Upstream, read_to_end: Read) -> None:
        endless = itertools.repeat(chunk(b"x" * 65_536))
        await self._assert_drop(provider, upstream, read_to_end, endless, match="cannot be read")

    @both_ways
    async def test_an_error_that_the_service_reports(
        self, provider: Provider, upstream: Upstream, read_to_end: Read
    ) -> None:
        error = chunk(self.error_event("I am overloaded"))
        await self._assert_drop(provider, upstream, read_to_end, error, END, match="an error: I am overloaded")

    async def test_nothing_counts_after_an_error(self, provider: Provider, upstream: Upstream) -> None:
        more = asyncio.Event()
        first, *others = self.events(TEXTS)
        upstream.say(
            head(), chunk(first + self.error_event("overloaded")), more, *map(chunk, others), then=Then.BREAK_OFF
        )
        stream = stream_of(provider)
        assert await anext(stream) == [Text(TEXTS[0])]
        more.set()
        await upstream.until_open(0)
        assert stream.ready_parts() == []
        with pytest.raises(ProviderDropped, match="overloaded"):
            await anext(stream)

    async def test_trouble_before_the_first_part_is_no_drop(self, provider: Provider, upstream: Upstream) -> None:
        for steps, transient in (
            ([END], True),
            ([chunk(self.nonsense()), END], True),
            ([chunk(self.nonsense())] * 99, False),
            ([chunk(self.error_event("I am overloaded")), END], True),
            ([chunk(self.error_event("I do not want to")), END], False),
        ):
            upstream.say(head(), *steps)
            assert (await _failure_of(stream_of(provider))).transient is transient
        upstream.say(head(), then=Then.BREAK_OFF)
        assert (await _failure_of(stream_of(provider))).transient

    @both_ways
    async def test_an_answer_may_break_off_once_it_is_complete(
        self, provider: Provider, upstream: Upstream, read_to_end: Read
    ) -> None:
        pieces = [chunk(event) for event in self.events(TEXTS)]
        upstream.say(head(), *pieces, chunk(self.end(FINISH)), then=Then.BREAK_OFF)
        tape, finish = await read_to_end(stream_of(provider), Tape())
        assert (tape.text(), finish) == ("".join(TEXTS), FINISH)

    async def test_what_comes_with_the_break_counts(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(head() + chunk(self.answer(*TEXTS)), then=Then.BREAK_OFF)
        tape, finish = await read(stream_of(provider))
        assert (tape.text(), finish) == ("".join(TEXTS), FINISH)

    async def test_what_came_while_nobody_asked_counts_after_a_break(
        self, provider: Provider, upstream: Upstream
    ) -> None:
        more = asyncio.Event()
        pieces = [chunk(event) for event in self.events(TEXTS)]
        upstream.say(head(), pieces[0], more, *pieces[1:], then=Then.BREAK_OFF)
        stream = stream_of(provider)
        await anext(stream)
        more.set()
        await upstream.until_open(0)
        await asyncio.sleep(0.01)
        assert await anext(stream) == [Text(text) for text in TEXTS[1:]]
        with pytest.raises(ProviderDropped):
            await anext(stream)

    async def _assert_drop(
        self,
        provider: Provider,
        upstream: Upstream,
        read_to_end: Read,
        *steps: Step,
        match: str,
        then: Then = Then.NEXT_REQUEST,
    ) -> None:
        """After the parts that came, all of which count: in one write, as they may come as late as silence is told."""
        upstream.say(b"".join([head(), *map(chunk, self.events(TEXTS))]), *steps, then=then)
        with pytest.raises(ProviderDropped, match=match):
            await read_to_end(stream_of(provider), tape := Tape())
        assert tape.text() == "".join(TEXTS)


def _sockets_to(port: int) -> list[object]:
    connections = psutil.Process().net_connections("tcp")
    return [each for each in connections if each.raddr and each.raddr.port == port and each.fd != -1]


async def _failure_of(stream: Stream) -> ProviderError:
    """Before the first part."""
    with pytest.raises(ProviderError) as raised:
        await anext(stream)
    assert type(raised.value) is ProviderError
    return raised.value
