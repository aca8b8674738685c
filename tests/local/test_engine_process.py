"""The engine as a process: who starts it, who shares it, and what its end costs."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil
import pytest

from core import extras
from core.model.errors import ProviderDropped, ProviderError, UnsupportedOption
from core.providers.base import Finish, Message, Request, Stream
from core.providers.local.answer import LocalAnswer
from core.providers.local.connection import EngineConnection
from core.providers.local.engine.scheduler import Scheduler
from core.providers.local.engine.server import BEAT_SECONDS, Server
from core.providers.local.process import is_running, socket_of
from core.providers.local.protocol import Ask, Options
from core.providers.local.provider import LocalProvider
from core.providers.local.settings import EngineSettings
from tests.local.folders import make_model
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio
MODEL = "tiny"


def request(text: str, model: str = MODEL, **more: Any) -> Request:
    options = {"temperature": 0.0, **more.pop("options", {})}
    return Request(model, [Message("user", text)], options, **more)


async def whole(stream: Stream) -> tuple[str, Finish]:
    text = ""
    async for item in stream:
        if isinstance(item, Finish):
            return text, item
        text += "".join(getattr(part, "text", "") for part in item)
    raise AssertionError("no finish")


@pytest.fixture
def settings(model_folder: Path, tmp_path: Path) -> EngineSettings:
    """An engine of the test's own, because its folder is."""
    return EngineSettings(
        model=str(model_folder), folder=str(tmp_path), version="test", context=64, answers=4, kept=2, idle_seconds=0.5
    )


@pytest.fixture
async def providers(settings: EngineSettings) -> AsyncIterator[list[LocalProvider]]:
    providers = [LocalProvider(settings), LocalProvider(settings)]
    yield providers
    for provider in providers:
        await provider.close()
    await ended(settings)


def pids(settings: EngineSettings) -> list[int]:
    socket = str(socket_of(settings))
    return [process.pid for process in psutil.process_iter(["cmdline"]) if socket in (process.info["cmdline"] or [])]


async def ended(settings: EngineSettings) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while is_running(socket_of(settings)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_processes_share_an_engine(providers: list[LocalProvider], settings: EngineSettings) -> None:
    answers = await asyncio.gather(
        *(whole(provider.stream(request("tape", options={"max_tokens": 20}))) for provider in providers)
    )
    assert answers[0][0] == answers[1][0] != ""
    assert answers[0][1].reason == "length"
    assert len(pids(settings)) == 1
    usage = answers[0][1].told.usage
    assert usage is not None
    assert usage.output_tokens == 20


async def test_it_ends_when_nobody_is_there(providers: list[LocalProvider], settings: EngineSettings) -> None:
    await whole(providers[0].stream(request("tape", options={"max_tokens": 1})))
    await providers[0].close()
    await ended(settings)
    assert not socket_of(settings).exists()
    await whole(providers[0].stream(request("tape", options={"max_tokens": 1})))


async def test_one_that_is_killed_is_started_again(providers: list[LocalProvider], settings: EngineSettings) -> None:
    stream = providers[0].stream(request("tape"))
    await anext(stream)
    (pid,) = pids(settings)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ProviderDropped):
        await whole(stream)
    _, finish = await whole(providers[0].stream(request("tape", options={"max_tokens": 3})))
    assert finish.reason == "length"
    assert pids(settings) != [pid]


async def state(provider: LocalProvider, wanted: str, model: str = MODEL) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while provider.state(model) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_it_is_told_how_far_the_engine_is(providers: list[LocalProvider], settings: EngineSettings) -> None:
    one, other = providers
    assert one.state(MODEL) is None
    one.load()
    await state(one, "loading")
    await state(one, "ready")
    assert other.state(MODEL) is None
    (pid,) = pids(settings)
    os.kill(pid, signal.SIGKILL)
    await state(one, "stopped")
    await whole(one.stream(request("tape", options={"max_tokens": 1})))
    assert one.state(MODEL) == "ready"


async def test_one_that_hangs_is_lost(
    providers: list[LocalProvider], settings: EngineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.providers.local.connection.SILENT_SECONDS", 3 * BEAT_SECONDS)
    stream = providers[0].stream(request("tape"))
    await anext(stream)
    (pid,) = pids(settings)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ProviderDropped):
            await whole(stream)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_one_that_has_nothing_to_do_is_not_lost(
    providers: list[LocalProvider], settings: EngineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.providers.local.connection.SILENT_SECONDS", 3 * BEAT_SECONDS)
    providers[0].load()
    await state(providers[0], "ready")
    engine = await EngineConnection.open(socket_of(settings))
    told = [engine.state]
    monkeypatch.setattr(engine, "_take", told.append)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(told) < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert providers[0].state(MODEL) == "ready"
    await engine.close()


async def test_an_answer_that_is_left_makes_room(providers: list[LocalProvider]) -> None:
    streams = [providers[0].stream(request("tape")) for _ in range(4)]
    for stream in streams:
        await anext(stream)
    waiting = asyncio.create_task(whole(providers[1].stream(request("byte", options={"max_tokens": 2}))))
    await streams[0].aclose()
    assert (await waiting)[1].reason == "length"
    for stream in streams[1:]:
        await stream.aclose()


async def test_a_client_that_is_gone_makes_room(providers: list[LocalProvider]) -> None:
    streams = [providers[0].stream(request("tape")) for _ in range(4)]
    for stream in streams:
        await anext(stream)
    waiting = asyncio.create_task(whole(providers[1].stream(request("byte", options={"max_tokens": 2}))))
    await providers[0].close()
    assert (await waiting)[1].reason == "length"
    with pytest.raises(ProviderDropped):
        await whole(streams[0])


async def test_a_model_that_cannot_run_is_named(settings: EngineSettings, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "odd")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"model_type": "llama"', '"model_type": "bloom"'))
    odd = msgspec.structs.replace(settings, model=str(folder))
    provider = LocalProvider(odd)
    with pytest.raises(ProviderError, match="bloom"):
        await whole(provider.stream(request("tape", "odd")))
    assert provider.state("odd") == "failed"
    await provider.close()
    await ended(odd)


async def test_a_model_that_is_not_there_is_told(settings: EngineSettings, tmp_path: Path) -> None:
    gone = msgspec.structs.replace(settings, model=str(tmp_path / "gone"))
    provider = LocalProvider(gone)
    with pytest.raises(ProviderError, match="there is no model"):
        await whole(provider.stream(request("tape", "gone")))
    assert provider.state("gone") == "failed"
    await provider.close()
    await ended(gone)


class Broken:
    """A scheduler that fails with the first question."""

    answering, waiting, slots = 0, 0, 1

    def __init__(self) -> None:
        self._is_asked = threading.Event()

    def put(self, _: object) -> None:
        self._is_asked.set()

    def run(self) -> None:
        self._is_asked.wait()
        raise MemoryError("no memory for one more token")


async def test_a_failure_with_the_model_loaded_is_as_good_as_a_kill(tmp_path: Path) -> None:
    socket = tmp_path / "engine.sock"
    server = asyncio.create_task(Server(socket, MODEL, lambda _: cast(Scheduler, Broken())).serve(PATIENCE_SECONDS))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not socket.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        engine = await EngineConnection.open(socket)

        async def connected() -> EngineConnection:
            return engine

        with pytest.raises(ProviderError) as failure:
            await whole(LocalAnswer(Ask(0, [{"role": "user", "content": "tape"}], Options()), connected))
        assert failure.value.transient
        with pytest.raises(MemoryError):
            await server
    await engine.close()


@pytest.mark.parametrize("options", [{"seed": 2**64}, {"seed": -(2**70)}])
async def test_numbers_that_are_too_large_are_refused(providers: list[LocalProvider], options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOption, match="cannot be asked"):
        await whole(providers[0].stream(request("tape", options=options)))
    assert (await whole(providers[0].stream(request("tape", options={"max_tokens": 1}))))[0] != ""


async def test_without_its_packages_the_line_is_told_that_installs_them(
    settings: EngineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.EXTRAS, "local", "no.such_package")
    with pytest.raises(ProviderError, match=r"pip install -r requirements-local\.txt"):
        await whole(LocalProvider(settings).stream(request("tape")))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"options": {"presence_penalty": 1.0}}, "presence_penalty"),
        ({"tools": [{"type": "function"}], "tool_choice": "required"}, "tool_choice"),
        ({"provider_options": {"cache": {"mode": "none"}}}, "mode"),
        ({"provider_options": {"top_q": 1}}, "top_q"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_what_it_has_not_got_is_refused(settings: EngineSettings, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UnsupportedOption, match=told):
        LocalProvider(settings).stream(request("tape", **asked))
