"""Following containers: over stops, starts, re-creation, and whatever restarts. Nothing is lost or comes twice."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import ClientTimeout
from structlog.testing import LogCapture

from core.background import Background
from logs.collector.docker.engine import Engine
from logs.collector.docker.source import DockerSource
from tests.unit.logs.collector.fake_engine import NOW, SECOND, Container, FakeEngine, fake_engine
from tests.unit.logs.collector.kept import KeptLines, eventually, sending

pytestmark = pytest.mark.anyio

LONG = 24 * 365 * 100.0
"""Hours: whatever the fake engine's clock says."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with fake_engine(tmp_path) as engine:
        yield engine


@asynccontextmanager
async def collecting(
    engine: FakeEngine, kept: KeptLines, places: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[DockerSource]:
    background = Background()
    settings: dict[str, Any] = {"chosen": ["*"], "hours": LONG, "lines_per_second": 100_000.0} | options
    async with sending(kept) as sender:
        source = DockerSource(Engine(engine.host), sender, places or {}, **settings)
        background.run("docker", source.run())
        try:
            yield source
        finally:
            await background.stop()


async def test_lines_of_both_streams_with_what_docker_knows_of_them(engine: FakeEngine) -> None:
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, "line 1")
    web.say(NOW + 5, "WARNING line 2", stream=2)
    async with collecting(engine, kept):
        await eventually(lambda: len(kept.lines) == 2)
        web.say(NOW + SECOND, '{"level":"error","msg":"line 3","service":"other"}')
        await eventually(lambda: len(kept.lines) == 3)
    one, two, three = (line for _, line in kept.lines)
    assert one == {
        "time": "2026-11-29T12:00:00.000000Z",
        "service": "web",
        "message": "line 1",
        "fields": {"container": "web"},
    }
    assert (two["level"], two["fields"]) == ("warning", {"container": "web", "stream": "stderr"})
    assert (three["service"], three["fields"]) == ("web", {"container": "web", "service": "other"})
    assert [channel for channel, _ in kept.lines] == ["logs", "logs", "logs:errors"]


async def test_the_engines_version_is_agreed_on(engine: FakeEngine) -> None:
    engine.version = "1.99"
    async with collecting(engine, KeptLines()) as source:
        await eventually(lambda: source.problem is None)
    assert engine.asked[0][0] == "/v1.47/events"


async def test_a_container_that_starts_again_goes_on(engine: FakeEngine) -> None:
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, "line 1")
    async with collecting(engine, kept):
        await eventually(lambda: kept.numbers() == [1])
        web.say(NOW + 5, "line 2", end="")  # without an end: what it said last
        web.stop()
        await eventually(lambda: kept.numbers() == [1, 2])
        web.running = True
        engine.tell("start", web)
        web.say(NOW + SECOND, "line 3")
        await eventually(lambda: kept.numbers() == [1, 2, 3])


async def test_a_new_container_is_found_and_one_that_lives_shortly(engine: FakeEngine) -> None:
    kept = KeptLines()
    async with collecting(engine, kept) as source:
        await eventually(lambda: source.problem is None)
        job = engine.add(Container(2, "job"))
        job.say(NOW, "line 1", "line 2")
        job.stop()
        engine.tell("start", job)
        await eventually(lambda: kept.numbers() == [1, 2])


async def test_the_engine_restarts(engine: FakeEngine) -> None:
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, *(f"line {n}" for n in range(100)))
    async with collecting(engine, kept) as source:
        await eventually(lambda: len(kept.numbers()) == 100)
        await engine.stop()
        await eventually(lambda: source.problem is not None)
        web.say(NOW + SECOND, *(f"line {n}" for n in range(100, 200)))
        api = engine.add(Container(2, "api"))
        api.say(NOW + SECOND, "hello")
        await engine.start()
        await eventually(lambda: len(kept.numbers()) >= 200 and kept.messages("api"))
        await eventually(lambda: source.problem is None)
        web.say(NOW + 2 * SECOND, "line 200")
        await eventually(lambda: len(kept.numbers()) >= 201)
    assert kept.numbers() == list(range(201))
    assert kept.messages("api") == ["hello"]


async def test_the_collector_restarts(engine: FakeEngine) -> None:
    """Its places are in Redis; lines of equal times are counted, and stderr is apart from stdout."""
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, "line 1")
    for number in (2, 3):
        web.say(NOW + SECOND, f"line {number}")
    web.say(NOW + SECOND - 5, "line 4", stream=2)
    async with collecting(engine, kept):
        await eventually(lambda: len(kept.numbers()) == 4)
    for number in (5, 6):
        web.say(NOW + SECOND, f"line {number}")
    web.say(NOW + SECOND - 3, "line 7", stream=2)
    async with collecting(engine, kept, kept.places):
        await eventually(lambda: len(kept.numbers()) >= 7)
        web.say(NOW + 2 * SECOND, "line 8")
        await eventually(lambda: len(kept.numbers()) >= 8)
    assert sorted(kept.numbers()) == list(range(1, 9))
    assert engine.follows(web)[1]["since"] == f"{NOW // SECOND}.000000000"


async def test_podmans_times_of_whole_seconds(engine: FakeEngine) -> None:
    engine.podman = True
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, *(f"line {n}" for n in range(50)))
    async with collecting(engine, kept):
        await eventually(lambda: len(kept.numbers()) == 50)
    web.say(NOW + SECOND // 2, *(f"line {n}" for n in range(50, 60)))
    async with collecting(engine, kept, kept.places):
        await eventually(lambda: len(kept.numbers()) >= 60)
    assert kept.numbers() == list(range(60))


async def test_a_long_line_and_a_terminals(engine: FakeEngine) -> None:
    web, tty, kept = engine.add(Container(1, "web")), engine.add(Container(2, "tty", tty=True)), KeptLines()
    text = "é" * 30_000
    web.say(NOW, text)
    tty.say(NOW, text, "\x1b[31mred\x1b[0m", end="\r\n")
    async with collecting(engine, kept):
        await eventually(lambda: len(kept.lines) == 3)
    assert kept.messages("web") == [text]
    assert kept.messages("tty") == [text, "\x1b[31mred\x1b[0m"]


async def test_a_stack_trace_is_one_line(engine: FakeEngine) -> None:
    web, kept = engine.add(Container(1, "web")), KeptLines()
    trace = ["Traceback (most recent call last):", '  File "a.py", line 1', "ValueError: x"]
    web.say(NOW, *trace, stream=2)
    async with collecting(engine, kept):
        await eventually(lambda: kept.lines)
    assert kept.messages() == ["\n".join(trace)]


async def test_a_container_that_says_too_much_is_limited_by_its_own_time(engine: FakeEngine) -> None:
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, *(f"line {n}" for n in range(100)))  # in 0.1 s
    web.say(NOW + 10 * SECOND, *(f"line {n}" for n in range(100, 120)))
    async with collecting(engine, kept, lines_per_second=40):
        await eventually(lambda: kept.numbers()[-1:] == [119])
    told = [line for _, line in kept.lines if "dropped" in line["message"]]
    assert [line["fields"]["dropped"] for line in told] == [120 - len(kept.numbers())] == [57]
    assert told[0]["level"] == "warning"
    assert kept.numbers()[-20:] == list(range(100, 120))


async def test_what_the_engine_says_of_a_container(engine: FakeEngine) -> None:
    web, kept = engine.add(Container(1, "web")), KeptLines()
    engine.tell("oom", web, NOW)
    engine.tell("die", web, NOW + 1, exitCode="137")
    async with collecting(engine, kept):
        await eventually(lambda: len(kept.lines) == 2)
        engine.tell("health_status: unhealthy", web, NOW + 2)
        await eventually(lambda: len(kept.lines) == 3)
        await engine.stop()
        await engine.start()
        engine.tell("health_status: healthy", web, NOW + 3)
        await eventually(lambda: len(kept.lines) == 4)
    async with collecting(engine, kept, kept.places):
        engine.tell("die", web, NOW + 4, exitCode="0")
        await eventually(lambda: len(kept.lines) == 5)
    assert [(line["level"], line["service"]) for _, line in kept.lines] == [
        ("error", "web"),
        ("error", "web"),
        ("warning", "web"),
        ("info", "web"),
        ("info", "web"),
    ]
    assert kept.lines[1][1]["fields"] == {"container": "web", "event": "die", "exit_code": 137}


async def test_a_follow_that_hangs_is_opened_anew(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logs.collector.docker.engine.STREAM", ClientTimeout(sock_read=0.1))
    web, kept = engine.add(Container(1, "web")), KeptLines()
    web.say(NOW, "line 1")
    async with collecting(engine, kept):
        await eventually(lambda: kept.numbers() == [1])
        web.log.append((1, NOW + SECOND, b"line 2\n"))  # nobody is woken
        await eventually(lambda: kept.numbers() == [1, 2])


async def test_one_that_is_removed_as_it_ends(engine: FakeEngine) -> None:
    job, kept = engine.add(Container(1, "job")), KeptLines()
    job.say(NOW, "line 1")
    async with collecting(engine, kept):
        await eventually(lambda: kept.numbers() == [1])
        job.say(NOW + SECOND, "line 2", end="")
        del engine.containers[job.id]
        job.stop()
        await eventually(lambda: kept.numbers() == [1, 2])


async def test_an_engine_without_a_log_to_give_is_heard_of_once(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = LogCapture()
    monkeypatch.setattr("logs.collector.docker.following.log", structlog.wrap_logger(None, [said]))
    monkeypatch.setattr("logs.collector.docker.following.REOPEN_SECONDS", (0.01, 0.01))
    web = engine.add(Container(1, "web"))
    web.log_driver = "none"
    async with collecting(engine, KeptLines()):
        await eventually(lambda: len(engine.follows(web)) > 3)
    warnings = [entry for entry in said.entries if entry["log_level"] == "warning"]
    assert [entry["action"] for entry in warnings] == ["docker.reopen"]


async def test_only_those_that_were_chosen(engine: FakeEngine) -> None:
    kept = KeptLines()
    others = (
        Container(2, "db"),
        Container(3, "quiet", labels={"hopstream.logs": "false"}),
        Container(4, "x", project="y"),
    )
    for container in (web := Container(1, "web"), *others):
        engine.add(container).say(NOW, f"of {container.name}")
    async with collecting(engine, kept, chosen=["we*", "quiet", "com.docker.compose.project=y"]):
        await eventually(lambda: len(kept.lines) == 2)
        engine.tell("start", others[0])
        engine.tell("start", others[1])
        engine.tell("oom", web)
        await eventually(lambda: len(kept.lines) == 3)
    assert sorted(kept.messages()) == ["of web", "of x", kept.messages()[2]]


async def test_while_redis_is_away_no_more_is_read_than_there_is_room_for(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logs.collector.sender.MOST_BYTES", 100_000)
    web, kept = engine.add(Container(1, "web")), KeptLines()
    kept.is_away = True
    web.say(NOW, *(f"line {'x' * 1000} {n}" for n in range(5000)))
    async with collecting(engine, kept) as source:
        await eventually(lambda: kept.tries > 1)
        sender = source._sender
        await eventually(lambda: not sender._has_room.is_set())
        assert sender._bytes < 1_500_000
        assert sender.is_away
        kept.is_away = False
        await eventually(lambda: len(kept.lines) == 5000)
    assert kept.numbers() == list(range(5000))
