"""What a stack is made of: real processes, each with its log."""

import re
import signal
import subprocess
from pathlib import Path

from tests.patience import PATIENCE_SECONDS


class Process:
    """One of ours, with its log."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=log.parent,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll()

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            self._popen.send_signal(number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        return self._popen.wait(seconds)

    def stop(self) -> None:
        """In order. Raises subprocess.TimeoutExpired for one that does not stop, which is killed."""
        self.ask_to_stop()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def ask_to_stop(self) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._popen.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace")


class Api(Process):
    url: str


class Worker(Process):
    @property
    def node(self) -> str:
        """Its name at Celery, once it is ready."""
        found = re.search(r"(\S+@\S+) ready\.", self.output())
        assert found, self.output()[-4000:]
        return found[1]
