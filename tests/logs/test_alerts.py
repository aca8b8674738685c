"""Alerts: each fires once and is over once, is shown, and is told to whom the file names, whichever gateway leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import anyio
import httpx
import pytest
from aiohttp import web

from core.telemetry.log_stream.appender import Appender
from core.telemetry.log_stream.redis_stream import STREAM
from logs.alerts.notifier import Notifier
from logs.alerts.rules import Rule, Rules, read_rules
from logs.alerts.watch import Watch
from logs.stream.line import LineId, StreamLine
from tests.logs.conftest import StartGateway
from tests.logs.viewing import LogEvent, line
from tests.patience import PATIENCE_SECONDS
from tests.redis_server import RedisServer

pytestmark = pytest.mark.anyio

OLD_MODULES = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
"""Apprise asks for some that newer Pythons have no longer."""


class Receiver:
    """A webhook's other end."""

    def __init__(self) -> None:
        self.url = ""
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.keys: list[str | None] = []
        self.refuses = 0
        """So many messages first."""

    async def take(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Authorization"))
        if self.refuses:
            self.refuses -= 1
            return web.Response(status=503)
        await self.messages.put(await request.json())
        return web.Response()

    async def next(self) -> dict[str, Any]:
        with anyio.fail_after(PATIENCE_SECONDS):
            return await self.messages.get()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def firing(event: LogEvent) -> bool:
    return event.name == "alerts" and bool(event.data["firing"])


def quiet(event: LogEvent) -> bool:
    return event.name == "alerts" and not event.data["firing"]


async def test_one_fires_once_is_shown_and_is_over(
    start_gateway: StartGateway, appender: Appender, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        rules = tmp_path / "alerts.toml"
        rules.write_text(f"""
            [[alert]]
            name = "many errors"
            text = "Look at the model."
            severity = "critical"
            service = ["model"]
            level = "error"
            count = 3
            within_seconds = 2

            [[webhook]]
            url = "{receiver.url}"
            token_variable = "ALERT_TOKEN"
        """)
        gateway = start_gateway(LOG_ALERTS=str(rules), ALERT_TOKEN="secret-of-the-webhook")
        receiver.refuses = 1  # it is asked again
        async with gateway.viewer() as viewer:
            appender.append([line("boom", "model", level="error"), line("boom", "other", level="error")])
            async with anyio.create_task_group() as failing:
                failing.start_soon(_fail, appender)  # on a busy machine too few may be of the last two seconds
                shown = await viewer.until(firing)
                failing.cancel_scope.cancel()
            assert [(each["name"], each["text"], each["service"]) for each in shown.data["firing"]] == [
                ("many errors", "Look at the model.", "model")
            ]
            told = await receiver.next()
            assert (told["version"], told["status"], len(told["alerts"])) == ("4", "firing", 1)
            alert = told["alerts"][0]
            assert alert["labels"]["alertname"] == "many errors"
            assert alert["labels"]["severity"] == "critical"
            assert alert["annotations"]["summary"] == "Look at the model."
            await viewer.until(quiet)
            over = (await receiver.next())["alerts"][0]
            assert (over["status"], over["fingerprint"]) == ("resolved", alert["fingerprint"])
            assert over["startsAt"] == alert["startsAt"] < over["endsAt"]
        assert receiver.messages.empty()
        assert set(receiver.keys) == {"Bearer secret-of-the-webhook"}
        assert "secret-of-the-webhook" not in gateway.output()
        said = await gateway.history(service="llm-streamer-gateway")
        assert said == ["alert: many errors: Look at the model.", "over: many errors: Look at the model."]


async def test_the_next_leader_goes_on_with_what_fires(
    start_gateway: StartGateway, appender: Appender, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        rules = tmp_path / "alerts.toml"
        rules.write_text(f"""
            [[alert]]
            name = "any error"
            level = "error"
            count = 1
            within_seconds = 3600

            [[webhook]]
            url = "{receiver.url}"
        """)
        first, second = (start_gateway(LOG_ALERTS=str(rules)) for _ in range(2))
        async with second.viewer() as viewer:
            appender.append([line("boom", level="error")])
            await viewer.until(firing)
            assert (await receiver.next())["status"] == "firing"
            first.kill()
            appender.append([line("boom again", level="error")])
            while not (await second.get("/health"))["leads"]:  # noqa: ASYNC110
                await anyio.sleep(0.05)
            appender.append([line("and again", level="error")])
            await viewer.until_message("and again")
        assert receiver.messages.empty()
        assert len(await second.history(q="alert: any error")) == 1


async def test_apprise_tells_it_too(start_gateway: StartGateway, appender: Appender, tmp_path: Path) -> None:
    async with receiving() as receiver:
        rules = tmp_path / "alerts.toml"
        address = receiver.url.replace("http://", "json://")
        rules.write_text(f'apprise = ["{address}"]\n[[alert]]\nname = "errors"\nlevel = "error"\ncount = 1\n')
        start_gateway(LOG_ALERTS=str(rules))
        appender.append([line("boom", level="error")])
        told = await receiver.next()
        assert (told["title"], told["message"]) == ("Firing: errors", "1 line within 60 s")


@OLD_MODULES
def test_an_address_that_apprise_does_not_know_is_refused() -> None:
    with pytest.raises(SystemExit, match="apprise number 1: not a URL that Apprise knows"):
        Notifier(Rules(alert=[Rule(name="x", count=1)], apprise=["nobody://knows"]))


async def test_silence_is_noticed(start_gateway: StartGateway, appender: Appender, tmp_path: Path) -> None:
    rules = tmp_path / "alerts.toml"
    rules.write_text('[[alert]]\nname = "no heartbeat"\nservice = ["cron"]\nsilent_seconds = 1\n')
    gateway = start_gateway(LOG_ALERTS=str(rules))
    async with gateway.viewer() as viewer:
        shown = await viewer.until(firing)
        assert shown.data["firing"][0]["text"] == "no line of cron for 1 s"
        async with anyio.create_task_group() as ticking:
            ticking.start_soon(_tick, appender)  # again and again: on a busy machine one may be old when it is seen
            await viewer.until(quiet)
            ticking.cancel_scope.cancel()
        await viewer.until(firing)


async def test_silence_is_of_the_present(
    start_gateway: StartGateway, appender: Appender, redis: RedisServer, tmp_path: Path
) -> None:
    """Another rule has it read what came an hour ago: that is long ago, but not the last that came."""
    rules = tmp_path / "alerts.toml"
    rules.write_text(
        '[[alert]]\nname = "silent"\nservice = ["cron"]\nsilent_seconds = 1800\n'
        '[[alert]]\nname = "of old"\nservice = ["cron"]\ncount = 5000\nwithin_seconds = 7200\n'
        '[[alert]]\nname = "last"\nservice = ["last"]\ncount = 1\nwithin_seconds = 7200\n'
    )
    hour_ago = int((time() - 3600) * 1000)
    record = line("tick", "cron").record
    with redis.client() as client:
        for number in range(1, 1500):
            fields = {"channel": "logs", "writer": "", "number": number, "mark": "", "record": record}
            client.xadd(STREAM, fields, id=f"{hour_ago}-{number}")
    appender.append([line("tick", "cron"), line("all is said", "last")])
    gateway = start_gateway(LOG_ALERTS=str(rules))
    async with gateway.viewer() as viewer:
        while [alert["name"] for alert in (await viewer.until(firing)).data["firing"]] != ["last"]:
            pass
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE_SECONDS) as client_:
        lines = (await client_.get("/history", params={"q": "alert:"})).json()["lines"]
    assert [each["message"] for each in lines] == ["alert: last: 1 line of last within 7200 s"]


async def _fail(appender: Appender) -> None:
    while True:
        appender.append([line("boom", "model", level="critical"), line("boom", "model", level="error")])
        await anyio.sleep(0.3)


async def _tick(appender: Appender) -> None:
    while True:
        appender.append([line("tick", "cron")])
        await anyio.sleep(0.1)


def at(ms: int, level: str = "error") -> StreamLine:
    said = line("x", level=level)
    return StreamLine(LineId(ms, ms), said.channel, said.record)


def test_a_count_is_of_a_window_that_moves() -> None:
    watch = Watch(Rule(name="x", level="error", count=3, within_seconds=10), begun=0)
    watch.look([at(1000), at(5000)])
    assert not watch.is_met(5)
    watch.look([at(10_500, "info"), at(10_900)])
    assert watch.is_met(10.9)
    assert not watch.is_met(11.1)
    watch.look([at(12_000)])
    assert watch.is_met(12)


def test_silence_counts_from_the_last_line() -> None:
    watch = Watch(Rule(name="x", silent_seconds=10), begun=100)
    assert not watch.is_met(109)
    assert watch.is_met(110)
    watch.look([at(111_000)])
    assert not watch.is_met(120)
    assert watch.is_met(121)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "alert: Field required"),
        ("[[alert]]\nname = 'x'", "alert number 1: needs either count or silent_seconds"),
        ("[[alert]]\nname = 'x'\ncount = 1\nsilent_seconds = 1", "alert number 1: needs either"),
        ("[[alert]]\nname = 'x'\ncount = 0", "alert number 1 count: Input should be greater"),
        ("[[alert]]\nname = 'x'\ncount = 1\nregex = '(a'", "regex: missing )"),
        ("[[alert]]\nname = 'x'\ncount = 1\nlevel = 'loud'", "alert number 1 level"),
        ("[[alert]]\nname = 'x'\ncount = 1\ncolour = 1", "alert number 1 colour: Extra inputs"),
        ("[[alert]]\nname = 'x'\ncount = 1\n" * 2, "two alerts are called 'x'"),
        (
            "[[alert]]\nname = 'x'\ncount = 1\n[[webhook]]\nurl = 'ftp://x'",
            "webhook number 1 url: must start with",
        ),
        (
            "[[alert]]\nname = 'x'\ncount = 1\n[[webhook]]\nurl = 'http://x'\ntoken_variable = 'NO_SUCH'",
            "the environment has no NO_SUCH",
        ),
        ("[[alert", "Expected"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "alerts.toml"
    file.write_text(text)
    with pytest.raises(SystemExit) as refused:
        read_rules(file)
    assert str(refused.value).startswith(f"LOG_ALERTS: {file}: ")
    assert why in str(refused.value)


def test_the_example_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_TOKEN", "x")
    assert len(read_rules(Path(__file__).parents[2] / "alerts.example.toml").alert) >= 3
