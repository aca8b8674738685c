"""Clients as people use them. Each asks a question, prints the answer as it comes, and resumes it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.node import node
from tests.parts import require
from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent


def node_script(name: str) -> list[str]:
    require((HERE / "node" / "node_modules").exists(), "no packages of Node.js; ./run.sh test installs them")
    return [node(), str(HERE / "node" / f"{name}.mjs")]


def java(program: str) -> list[str]:
    require(shutil.which("javac"), "no Java; install a JDK")
    return ["java", "-XX:TieredStopAtLevel=1", str(HERE / "java" / f"{program}.java")]


def curl(script: str) -> list[str]:
    require(shutil.which("curl"), "no curl; install it")
    return [str(HERE / "curl" / f"{script}.sh")]


class Kind(NamedTuple):
    name: str
    command: Callable[[], list[str]]


KINDS = [
    Kind("axios", lambda: node_script("axios")),
    Kind("eventsource", lambda: node_script("eventsource")),
    Kind("event-source-polyfill", lambda: node_script("polyfill")),
    Kind("java", lambda: java("Reader")),
    Kind("http-1.0", lambda: curl("http10")),
]


class Asking:
    def __init__(self, process: subprocess.Popen[bytes], output: Path, errors: Path) -> None:
        self.process = process
        self._output = output
        self._errors = errors

    @property
    def text(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def has_ended(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def asking(kind: Kind, url: str, session: str, model: str, home: Path) -> Iterator[Asking]:
    output, errors = home / "output", home / "errors"
    with output.open("wb") as out, errors.open("wb") as err:
        command = [*kind.command(), url, session, model]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
    try:
        yield Asking(process, output, errors)
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
