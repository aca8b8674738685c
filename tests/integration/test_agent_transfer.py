"""./run.sh agents import|export: agents between folders and the database, whole, and by word of what became of each."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from core.agents.agent import AgentChange
from core.agents.registry import AgentRegistry
from core.store.reach import EVERYTHING
from core.store.store import Store
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT
from tests.unit.agents.conformance import WHOLE
from tests.unit.agents.hand import BY_HAND, Hand
from tests.unit.agents.test_markdown import PROMPT_ABOVE, PROMPT_BELOW

OWNED = PROMPT_BELOW.replace("---\nYou", "owner: alice\n---\nYou")
MADE_BY_HAND = {"a.md": PROMPT_ABOVE, "b.md": OWNED, "by-hand.md": BY_HAND, "windows.md": BY_HAND.replace("\n", "\r\n")}


class Done(NamedTuple):
    status: int
    lines: list[str]


class Machine:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.mine = Hand(home / "mine")
        self.theirs = Hand(home / "theirs")
        self.environment = {
            "PATH": os.environ["PATH"],
            "MODE": "native",
            "DATABASE_URL": f"sqlite:///{home}/test.db",
            "AGENTS_DIR": str(home / "agents"),
        }

    def run(self, *words: str, **environment: str) -> Done:
        """run.sh as it is, but for its setup, which would install things."""
        script = f"source '{ROOT}/run.sh'\nVENV='{sys.prefix}'\nsetup() {{ :; }}\nmain agents \"$@\""
        done = subprocess.run(
            ["bash", "-c", script, "run.sh", *words],
            cwd=self.home,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout.splitlines())

    def put_into_database(self, agent_id: str, change: AgentChange) -> None:
        async def put() -> None:
            store = Store(self.environment["DATABASE_URL"])
            await store.open()
            await AgentRegistry(store.agents).put(agent_id, change, EVERYTHING)
            await store.close()

        asyncio.run(put())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("store", ["files", "database"])
def test_what_is_imported_and_exported_is_there_to_the_letter(machine: Machine, store: str) -> None:
    for name, text in MADE_BY_HAND.items():
        machine.mine.write(text, name)
    names = [name.removesuffix(".md") for name in MADE_BY_HAND]
    for outcome in ("new", "same"):
        told = [f"{outcome:<9} {name}" for name in names]
        assert machine.run("import", "mine", AGENTS_STORE=store) == (0, [*told, "agents    4, 0 refused"])
    for outcome in ("new", "same"):
        told = [f"{outcome:<9} {name}" for name in names]
        theirs = str(machine.theirs.folder)
        assert machine.run("export", theirs, AGENTS_STORE=store) == (0, [*told, "agents    4, 0 refused"])
    assert {name: machine.theirs.read(name) for name in machine.theirs.names()} == MADE_BY_HAND
    assert Hand(machine.home / "agents").names() == (sorted(MADE_BY_HAND) if store == "files" else [])


def test_what_was_changed_in_the_database_is_exported_into_the_file_that_it_came_from(machine: Machine) -> None:
    machine.mine.write(PROMPT_ABOVE, "a.md")
    machine.run("import", "mine", AGENTS_STORE="database")
    machine.put_into_database("a", {"name": "New"})
    assert machine.run("export", "mine", AGENTS_STORE="database").lines[0] == "changed   a"
    assert machine.mine.read("a.md") == PROMPT_ABOVE.replace('"Old" ', "New ")
    machine.mine.write(PROMPT_ABOVE, "a.md")
    assert machine.run("import", "mine", AGENTS_STORE="database").lines[0] == "changed   a"


def test_what_was_made_in_the_database_is_the_same_when_it_comes_back(machine: Machine) -> None:
    machine.put_into_database("a", WHOLE)
    for direction, outcome in (("export", "new"), ("import", "same"), ("export", "same")):
        assert machine.run(direction, "mine", AGENTS_STORE="database").lines[0] == f"{outcome:<9} a"


@pytest.mark.parametrize("store", ["files", "database"])
def test_one_that_cannot_be_read_is_refused_and_the_others_are_not(machine: Machine, store: str) -> None:
    machine.mine.write(name="good.md")
    machine.mine.write("---\nname: [my secret\n---\n", "bad.md")
    machine.mine.write(name="No Id.md")
    machine.mine.write("secret", "../secret")
    (machine.mine.folder / "link.md").symlink_to(machine.home / "secret")
    status, lines = machine.run("import", "mine", AGENTS_STORE=store)
    assert status == 1
    assert [line[:25] for line in lines] == [
        "refused   No Id: its name",
        "refused   bad: line 3: is"[:25],
        "refused   link: it is a l",
        "new       good",
        "agents    4, 3 refused",
    ]
    assert "secret" not in " ".join(lines)
    assert machine.run("export", "theirs", AGENTS_STORE=store) == (0, ["new       good", "agents    1, 0 refused"])


@pytest.mark.parametrize("direction", ["import", "export"])
def test_what_the_other_side_has_besides_stays(machine: Machine, direction: str) -> None:
    ours = Hand(machine.home / "agents")
    for hand, name in ((machine.mine, "mine.md"), (ours, "ours.md")):
        hand.write(name=name)
    assert machine.run(direction, "mine").status == 0
    target = ours if direction == "import" else machine.mine
    assert target.names() == ["mine.md", "ours.md"]


def test_a_place_that_is_not_there_or_cannot_be_written_to_is_told(machine: Machine) -> None:
    nowhere = machine.home / "nowhere"
    assert machine.run("import", "nowhere") == (1, [f"failed    there is no folder {nowhere}"])
    assert not nowhere.exists()
    machine.mine.write(name="a.md")
    machine.mine.write(name="../agents")
    status, (line,) = machine.run("import", "mine")
    assert (status, line[:21]) == (1, "failed    AGENTS_DIR:")
    status, lines = machine.run("export", "mine", AGENTS_STORE="database", DATABASE_URL=f"sqlite:///{nowhere}/a/b.db")
    assert (status, lines) == (0, ["agents    0, 0 refused"])


@pytest.mark.parametrize("words", [(), ("import",), ("delete", "mine"), ("import", "mine", "more")], ids=str)
def test_misuse_is_explained(machine: Machine, words: tuple[str, ...]) -> None:
    status, lines = machine.run(*words)
    assert status == 2
    assert lines[0].startswith("'agents' takes a direction and a folder: ./run.sh agents export ")
