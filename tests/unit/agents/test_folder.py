"""The folder on disk: whatever fails, a file is there whole or as it was, and nobody waits for ever."""

import errno
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.agents import folder as disk
from core.agents.errors import AgentsNotWritable
from core.agents.files import AgentFiles
from core.agents.folder import lock_folder
from core.agents.registry import AgentRegistry
from core.store.reach import EVERYTHING
from tests.unit.agents.conformance import named
from tests.unit.agents.hand import BY_HAND, Hand

pytestmark = pytest.mark.anyio


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    """Has written a file."""
    hand = Hand(tmp_path / "agents")
    hand.write()
    return hand


@pytest.fixture
async def registry(hand: Hand) -> AsyncIterator[AgentRegistry]:
    registry = AgentRegistry(AgentFiles(hand.folder))
    yield registry
    await registry.close()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is nearly full: some of what is written gets there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_does_not_fit_on_the_disk_leaves_nothing_behind(registry: AgentRegistry, hand: Hand) -> None:
    for agent_id in ("by-hand", "new"):
        with files_of_at_most(30), pytest.raises(AgentsNotWritable), capture_logs():
            await registry.put(agent_id, named("A", markdown_context="x" * 100), EVERYTHING)
    assert hand.names() == ["by-hand.md"]
    assert hand.read() == BY_HAND
    await registry.put("new", named("A"), EVERYTHING)
    assert hand.names() == ["by-hand.md", "new.md"]


@pytest.mark.parametrize("cause", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
async def test_why_nothing_can_be_written_is_told(
    registry: AgentRegistry, hand: Hand, monkeypatch: pytest.MonkeyPatch, call: str, cause: int
) -> None:
    real: Any = getattr(os, call)

    def fail(*arguments: Any, **options: Any) -> Any:
        if call == "open" and not arguments[1] & os.O_CREAT:
            return real(*arguments, **options)
        raise OSError(cause, os.strerror(cause))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(AgentsNotWritable, match=os.strerror(cause)), capture_logs() as logs:
            await registry.put("by-hand", {"name": "B"}, EVERYTHING)
    assert [line["action"] for line in logs] == ["agents.not_writable"]
    assert hand.names() == ["by-hand.md"]
    assert hand.read() == BY_HAND


async def test_what_a_killed_process_has_left_is_in_nobody_s_way(registry: AgentRegistry, hand: Hand) -> None:
    secret = hand.write("secret", "../secret")
    for leave in (lambda: hand.write("half", ".new"), lambda: (hand.folder / ".new").symlink_to(secret)):
        leave()
        await registry.put("by-hand", named(f"{leave}"), EVERYTHING)
        assert hand.names() == ["by-hand.md"]
    assert hand.read("../secret") == "secret"


async def test_a_lock_that_is_never_freed_is_told(
    registry: AgentRegistry, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "LOCK_SECONDS", 0.02)
    with lock_folder(hand.folder), capture_logs():
        with pytest.raises(AgentsNotWritable, match="another process is writing to it for too long"):
            await registry.put("a", named("A"), EVERYTHING)
        assert (await registry.get("by-hand", EVERYTHING)).name == "By hand"
    await registry.put("a", named("A"), EVERYTHING)
