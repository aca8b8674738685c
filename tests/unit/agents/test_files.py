"""Agents as files: the rules that all registries have, and what comes of a folder that people and processes share."""

import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import time_ns

import pytest
from structlog.testing import capture_logs

from core.agents import files
from core.agents import folder as disk
from core.agents.errors import AgentsNotReadable, AgentsNotWritable, AgentUnreadable, InvalidAgent
from core.agents.files import AgentFiles
from core.agents.folder import Folder, State
from core.agents.registry import AgentRegistry, Allowed
from core.model.errors import NotFound
from core.store.reach import EVERYTHING
from tests.unit.agents.conformance import RegistryConformance, ids, named
from tests.unit.agents.hand import BY_HAND, Hand

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Is not there yet."""
    return tmp_path / "data" / "agents"


@pytest.fixture
async def make_registry(folder: Path) -> AsyncIterator[Callable[..., AgentRegistry]]:
    made = []

    def make(allowed: Allowed | None = None) -> AgentRegistry:
        made.append(AgentFiles(folder))
        return AgentRegistry(made[-1], allowed)

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def registry(make_registry: Callable[..., AgentRegistry]) -> AgentRegistry:
    return make_registry()


@pytest.fixture
def neighbour(make_registry: Callable[..., AgentRegistry]) -> AgentRegistry:
    return make_registry()


@pytest.fixture
def hand(folder: Path) -> Hand:
    return Hand(folder)


class TestAgentFiles(RegistryConformance):
    """What all registries keep to."""


async def test_a_folder_that_is_not_there_is_empty(registry: AgentRegistry, hand: Hand) -> None:
    assert await ids(registry) == []
    with pytest.raises(NotFound):
        await registry.get("a", EVERYTHING)
    assert hand.names() == []
    await registry.put("a", named("A"), EVERYTHING)
    assert hand.names() == ["a.md"]


async def test_files_made_by_hand_are_agents(registry: AgentRegistry, hand: Hand) -> None:
    hand.write()
    (agent,) = await registry.list(EVERYTHING)
    assert (agent.id, agent.name, agent.system_prompt) == ("by-hand", "By hand", "You are made by hand.\n")
    assert (await registry.get("by-hand", EVERYTHING)).version == agent.version
    await registry.put("by-hand", {"name": "B", "markdown_context": "- more\n"}, EVERYTHING)
    assert hand.read() == (
        "---\nname: B # mine\nmood: calm\nmarkdown_context: |\n  - more\n---\nYou are made by hand.\n"
    )


async def test_an_edit_is_seen_at_the_next_question(registry: AgentRegistry, hand: Hand) -> None:
    hand.write()
    for number in range(20):
        for name, edit in ((f"{number:02} a", hand.write_unnoticed), (f"{number:02} b", hand.replace)):
            edit(BY_HAND.replace("By hand", name))
            assert (await registry.get("by-hand", EVERYTHING)).name == name
            assert [agent.name for agent in await registry.list(EVERYTHING)] == [name]
    hand.remove()
    with pytest.raises(NotFound):
        await registry.get("by-hand", EVERYTHING)
    assert await ids(registry) == []


async def test_a_file_that_has_just_changed_is_read_again(
    registry: AgentRegistry, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the clock of the file system has not ticked since: nothing else tells one state from the other."""
    now, state_of = time_ns(), disk._state_of
    monkeypatch.setattr(disk, "_state_of", lambda found: state_of(found)._replace(modified_ns=now, changed_ns=now))
    monkeypatch.setattr(files, "SETTLED_NS", 3_600 * 1_000_000_000)
    hand.write()
    for name in ("Mr. One", "Mr. Two"):
        hand.write_unnoticed(BY_HAND.replace("By hand", name))
        assert (await registry.get("by-hand", EVERYTHING)).name == name


async def test_a_file_is_read_once_as_long_as_it_is_the_same(
    registry: AgentRegistry, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SETTLED_NS", -1)  # as if it had been there for long
    hand.write()
    first = await registry.get("by-hand", EVERYTHING)
    assert await registry.get("by-hand", EVERYTHING) is first
    assert (await registry.list(EVERYTHING))[0] is first
    hand.replace(BY_HAND)
    assert await registry.get("by-hand", EVERYTHING) is not first


async def test_what_cannot_be_read_is_told_once_for_each_change(registry: AgentRegistry, hand: Hand) -> None:
    secret = "sk-nobody-may-read-this"
    hand.write(name="good.md")
    for _ in range(2):
        hand.write(f"---\nname: {secret}\nmodel: [{secret}\n---\n{secret}\n")
        with capture_logs() as logs:
            for _ in range(3):
                assert await ids(registry) == ["good"]
                with pytest.raises(AgentUnreadable, match=r"'by-hand' cannot be read: line 4: ") as refused:
                    await registry.get("by-hand", EVERYTHING)
                assert secret not in refused.value.message
        (line,) = logs
        assert (line["action"], line["file"], secret in str(line)) == ("agents.unreadable", "by-hand.md", False)
    for asking in (registry.put("by-hand", named("A"), EVERYTHING), registry.delete("by-hand", EVERYTHING)):
        with pytest.raises(AgentUnreadable):
            await asking
    hand.write()
    assert await ids(registry) == ["by-hand", "good"]


@pytest.mark.parametrize("name", ["Upper", "a b", "\x1b[31m", "ä", os.fsdecode(b"\xff"), "-x", "x" * 65])
async def test_a_name_that_is_no_id_is_told_in_the_log(registry: AgentRegistry, hand: Hand, name: str) -> None:
    hand.write(name=f"{name}.md")
    with capture_logs() as logs:
        assert await ids(registry) == []
        assert await ids(registry) == []
    (line,) = logs
    assert line["file"].isprintable()


@pytest.mark.parametrize("agent_id", ["../secret", "Upper", "sub/agent"])
async def test_what_is_no_id_leads_to_no_file(registry: AgentRegistry, hand: Hand, agent_id: str) -> None:
    (hand.folder / "sub").mkdir(parents=True)
    hand.write(name=f"{agent_id}.md")
    for asking in (registry.get(agent_id, EVERYTHING), registry.delete(agent_id, EVERYTHING)):
        with pytest.raises(NotFound):
            await asking
    with pytest.raises(InvalidAgent):
        await registry.put(agent_id, named("A"), EVERYTHING)
    assert hand.read(f"{agent_id}.md") == BY_HAND


async def test_other_files_are_none_of_its_business(registry: AgentRegistry, hand: Hand) -> None:
    for name in ("by-hand.md", "notes.txt", ".git", "by-hand.md~", ".by-hand.md.swp", ".md", "README"):
        hand.write(name=name)
    with capture_logs() as logs:
        assert await ids(registry) == ["by-hand"]
    assert logs == []


def put_link(file: Path, secret: Path) -> None:
    file.symlink_to(secret)


def put_link_to_another_agent(file: Path, secret: Path) -> None:
    file.symlink_to("by-hand.md")


def put_hard_link(file: Path, secret: Path) -> None:
    file.hardlink_to(secret)


def put_fifo(file: Path, secret: Path) -> None:
    os.mkfifo(file)


def put_folder(file: Path, secret: Path) -> None:
    file.mkdir()


def put_dangling_link(file: Path, secret: Path) -> None:
    file.symlink_to("nowhere")


def put_device(file: Path, secret: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero, which never ends


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (put_link, "it is a link"),
        (put_link_to_another_agent, "it is a link"),
        (put_dangling_link, "it is a link"),
        (put_hard_link, "another name"),
        (put_fifo, "it is no file"),
        (put_folder, "it is no file"),
        (put_device, "it is no file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_only_plain_files_are_read_and_nothing_else_is_touched(
    registry: AgentRegistry, hand: Hand, put: Callable[[Path, Path], None], words: str
) -> None:
    hand.write()
    secret = hand.write(name="../secret")
    put(hand.folder / "x.md", secret)
    assert await ids(registry) == ["by-hand"]
    for asking in (
        registry.get("x", EVERYTHING),
        registry.put("x", named("X"), EVERYTHING),
        registry.delete("x", EVERYTHING),
    ):
        with pytest.raises(AgentUnreadable, match=words):
            await asking
    assert hand.read("../secret") == hand.read() == BY_HAND
    assert hand.names() == ["by-hand.md", "x.md"]


async def test_a_link_that_comes_in_between_leads_nowhere(
    registry: AgentRegistry, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a look at the file, before it is opened."""
    file = hand.write()
    secret = hand.write(BY_HAND.replace("By hand", "Secret"), "../secret")
    look = Folder.state

    def swap(folder: Folder, name: str) -> State | None:
        state = look(folder, name)
        hand.remove()
        put_link(file, secret)
        return state

    monkeypatch.setattr(Folder, "state", swap)
    with pytest.raises(AgentUnreadable, match="it is a link"):
        await registry.get("by-hand", EVERYTHING)


async def test_a_file_keeps_its_permissions(registry: AgentRegistry, hand: Hand) -> None:
    hand.write()
    hand.protect(0o640)
    await registry.put("by-hand", {"name": "B"}, EVERYTHING)
    assert hand.mode() == 0o640


async def test_a_file_that_would_be_too_large_is_not_written(registry: AgentRegistry, hand: Hand) -> None:
    large = BY_HAND.replace("mood: calm", f"mood: {'x' * 1_000_000}")
    hand.write(large)
    with pytest.raises(InvalidAgent, match="larger than 1,048,576 bytes"):
        await registry.put("by-hand", {"markdown_context": "x" * 100_000}, EVERYTHING)
    assert hand.read() == large
    hand.write(BY_HAND + "x" * 1_048_576)
    with pytest.raises(AgentUnreadable, match="larger than 1,048,576 bytes"):
        await registry.get("by-hand", EVERYTHING)


async def test_a_folder_that_cannot_be_had_is_told_with_what_to_mend(registry: AgentRegistry, folder: Path) -> None:
    Hand(folder.parent).write(name=folder.name)  # a file in its place, which is in everybody's way
    with pytest.raises(AgentsNotWritable, match=r"AGENTS_DIR: .*write to.*AGENTS_STORE=database") as refused:
        await registry.put("a", named("A"), EVERYTHING)
    assert str(folder) not in refused.value.message
    with pytest.raises(AgentsNotReadable):
        await registry.list(EVERYTHING)
    with capture_logs() as logs:
        await registry.make_defaults()
    (line,) = logs
    assert (line["action"], line["folder"]) == ("agents.not_writable", str(folder))


async def test_a_disk_that_hangs_holds_nobody_up(
    registry: AgentRegistry, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.write()
    answers = threading.Event()

    def hang(_: Folder) -> list[str]:
        answers.wait()
        return []

    monkeypatch.setattr(files, "DISK_SECONDS", 0.01)
    monkeypatch.setattr(Folder, "names", hang)
    with pytest.raises(AgentsNotReadable, match="does not answer"):
        await registry.list(EVERYTHING)
    answers.set()
