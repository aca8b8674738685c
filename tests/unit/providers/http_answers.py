"""What every provider that speaks HTTP makes of answers, however they are cut and sent."""

import asyncio
import gzip
import json
import ssl
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.model.errors import ProviderDropped, ProviderError
from core.model.parts import Part, Reasoning, Text, ToolCall, whole_tool_calls
from core.model.tape import Tape
from core.providers.base import Item, Provider
from core.providers.http.answer import MAX_UNREAD_BYTES
from core.providers.http.client import HttpClient
from tests.patience import PATIENCE_SECONDS
from tests.unit.providers.conformance import read, read_in_ticks
from tests.unit.providers.http_providing import (
    FINISH,
    KERNEL_BYTES,
    KEY,
    TEXTS,
    TIMEOUT,
    Ending,
    HttpProviding,
    stream_of,
)
from tests.unit.providers.upstream import END, Then, Upstream, chunk, head, whole

CALL = ToolCall("call-1", "now", '{"zone": "UTC"}')
MB = 1024 * 1024


class HttpAnswers(HttpProviding):
    async def test_parts_that_come_together_are_told_together(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(whole(200, self.answer(*TEXTS)))
        assert [item async for item in stream_of(provider)] == [[Text(text) for text in TEXTS], FINISH]

    async def test_reasoning_comes_as_such(self, provider: Provider, upstream: Upstream) -> None:
        events = [*self.events(("Hm. ", "Yes."), Reasoning), *self.events(TEXTS)]
        upstream.say(whole(200, b"".join(events) + self.end(FINISH)))
        tape, _ = await read(stream_of(provider))
        assert (tape.reasoning(), tape.text()) == ("Hm. Yes.", "".join(TEXTS))

    async def test_a_tool_call_comes_whole(self, provider: Provider, upstream: Upstream) -> None:
        finish = Ending("tool_calls", FINISH.told)
        upstream.say(whole(200, self.event(Text("Let me look.")) + self.event(CALL) + self.end(finish)))
        assert [item async for item in stream_of(provider)][-1] == finish
        tape, _ = await read(stream_of(provider))
        (call,) = whole_tool_calls(tape.slice())
        assert (tape.text(), call.name, json.loads(call.arguments)) == ("Let me look.", CALL.name, {"zone": "UTC"})
        assert call.id

    async def test_a_tool_call_without_a_finish_is_a_drop(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(whole(200, self.event(CALL)))
        with pytest.raises(ProviderDropped, match="without finishing"):
            await read(stream_of(provider))

    async def test_an_empty_answer_has_nothing_but_its_finish(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(whole(200, self.answer()))
        assert [item async for item in stream_of(provider)] == [FINISH]

    async def test_an_answer_that_does_not_begin_is_given_up(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(head(), chunk(b" " * (2 * MAX_UNREAD_BYTES)), then=Then.SILENCE)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(ProviderError):
                await read(stream_of(provider))

    async def test_what_comes_between_two_items_is_ready(self, provider: Provider, upstream: Upstream) -> None:
        first, second, third = asyncio.Event(), asyncio.Event(), asyncio.Event()
        events = [chunk(event) for event in self.events(TEXTS)]
        upstream.say(head(), events[0], first, *events[1:3], second, events[3], third, chunk(self.end(FINISH)), END)
        stream = stream_of(provider)
        assert await anext(stream) == [Text(TEXTS[0])]
        assert stream.ready_parts() == []
        first.set()
        assert await _until_ready(stream.ready_parts, 2) == [Text(TEXTS[1]), Text(TEXTS[2])]
        second.set()
        assert await anext(stream) == [Text(TEXTS[3])]
        third.set()
        assert await anext(stream) == FINISH

    async def test_answers_share_a_connection(
        self, provider: Provider, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("core.providers.http.answer.END_SECONDS", PATIENCE_SECONDS)
        for _ in range(3):
            late = asyncio.Event()
            upstream.say(head(), chunk(self.answer("a")), late, END)
            stream = stream_of(provider)
            assert await anext(stream) == [Text("a")]
            asyncio.get_running_loop().call_later(0.01, late.set)
            assert await anext(stream) == FINISH
        assert (len(upstream.asked), upstream.connections) == (3, 1)

    async def test_a_service_that_does_not_end_its_response_is_not_waited_for(
        self, provider: Provider, upstream: Upstream
    ) -> None:
        upstream.say(head(), chunk(self.answer("a")), then=Then.SILENCE)
        async with asyncio.timeout(TIMEOUT / 3):
            tape, finish = await read(stream_of(provider))
        assert (tape.text(), finish) == ("a", FINISH)
        await upstream.until_open(0)

    @pytest.mark.parametrize("is_ticking", [False, True])
    async def test_a_compressed_body(self, provider: Provider, upstream: Upstream, is_ticking: bool) -> None:
        upstream.say(whole(200, gzip.compress(self.answer(*TEXTS)), Content_Encoding="gzip"))
        tape, finish = await (read_in_ticks if is_ticking else read)(stream_of(provider))
        assert (tape.text(), finish) == ("".join(TEXTS), FINISH)

    async def test_a_body_that_ends_with_its_connection(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(b"HTTP/1.1 200 OK\r\n\r\n" + self.answer(*TEXTS), then=Then.BREAK_OFF)
        assert (await read(stream_of(provider)))[0].text() == "".join(TEXTS)

    async def test_a_redirect_is_followed_without_the_key(
        self, provider: Provider, upstream: Upstream, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None
    ) -> None:
        async with Upstream(tls[0] if tls else None) as other:
            other.say(whole(200, self.answer("a")))
            upstream.say(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: %b/there\r\n\r\n" % other.url.encode())
            assert (await read(stream_of(provider)))[0].text() == "a"
        assert (other.asked[0].path, other.asked[0].body) == ("/there", upstream.asked[0].body)
        assert KEY in str(upstream.asked[0].headers)
        assert KEY not in str(other.asked[0].headers)

    async def test_a_redirect_to_where_all_can_listen_is_not_followed(
        self, provider: Provider, upstream: Upstream
    ) -> None:
        if not self.is_encrypted:
            pytest.skip("everybody can listen here as well")
        async with Upstream() as other:
            upstream.say(b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: %b/there\r\n\r\n" % other.url.encode())
            with pytest.raises(ProviderError, match="307"):
                await read(stream_of(provider))
        assert other.asked == []

    async def test_requests_and_bytes_are_counted(
        self, provider: Provider, upstream: Upstream, http: HttpClient
    ) -> None:
        upstream.say(whole(200, body := self.answer(*TEXTS)))
        for _ in range(2):
            await read(stream_of(provider))
        assert (http.requests, http.bytes_in) == (2, 2 * len(body))

    @pytest.mark.parametrize("is_ticking", [False, True])
    async def test_a_very_long_answer_fills_no_memory(
        self, provider: Provider, upstream: Upstream, is_ticking: bool
    ) -> None:
        events = self._many_events(24 * MB)
        upstream.say(head(), events, chunk(self.end(FINISH)) + END)
        tracemalloc.start()
        stream, size = stream_of(provider), 0
        async for item in stream:
            parts = item if isinstance(item, list) else []
            while parts:
                size += sum(map(len, parts))
                parts = stream.ready_parts() if is_ticking else []
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size > 20 * MB
        assert peak < 8 * MB

    async def test_what_nobody_reads_stays_with_the_service(self, provider: Provider, upstream: Upstream) -> None:
        upstream.say(head(), self._many_events(100 * MB))
        stream = stream_of(provider)
        await anext(stream)
        sent = -1
        while sent != upstream.sent_bytes or sent <= MAX_UNREAD_BYTES:
            sent = upstream.sent_bytes
            await asyncio.sleep(0.05)
        assert MAX_UNREAD_BYTES < sent < MAX_UNREAD_BYTES + KERNEL_BYTES
        await stream.aclose()

    @settings(max_examples=60, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.data())
    def test_no_part_is_lost_doubled_or_moved_however_the_bytes_are_cut(self, data: st.DataObject) -> None:
        parts = data.draw(st.lists(st.builds(Text, _TEXTS) | st.builds(Reasoning, _TEXTS), min_size=1, max_size=8))
        body = b"".join(map(self.event, parts)) + self.end(FINISH)
        cuts = sorted(data.draw(st.lists(st.integers(1, len(body) - 1), max_size=12, unique=True)))
        pieces = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        looks = data.draw(st.lists(st.integers(0, 3), max_size=30))
        items = uvloop.run(self._read_cut(pieces, looks))
        assert items[-1] == FINISH
        assert Tape(part for item in items[:-1] for part in item) == Tape(parts)  # type: ignore[union-attr]

    async def _read_cut(self, pieces: list[bytes], looks: list[int]) -> list[Item]:
        """Reads as `looks` says: so often after each item for what is ready."""
        async with Upstream() as upstream:
            http, items = HttpClient(TIMEOUT), list[Item]()
            upstream.say(head(), *map(chunk, pieces), END)
            stream = stream_of(self.provider_of(upstream.url, http))
            async for item in stream:
                items.append(item)
                for _ in range(looks.pop() if looks else 0):
                    await asyncio.sleep(0)
                    if parts := stream.ready_parts():
                        items.append(parts)
            await http.close()
        return items

    def _many_events(self, size: int) -> Iterator[bytes]:
        piece = chunk(self.event(Text("x" * 1000)) * 16)
        return (piece for _ in range(size // len(piece)))


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


async def _until_ready(ready_parts: Callable[[], list[Part]], count: int) -> list[Part]:
    parts: list[Part] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(parts) < count:
            await asyncio.sleep(0)
            parts += ready_parts()
    return parts
