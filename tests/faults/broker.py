"""A RabbitMQ that may be broken: its nodes are somebody's, and in them we have a virtual host of our own."""

import secrets
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

COMMAND_SECONDS = 90.0


class Node(NamedTuple):
    url: str
    ctl: str
    """A shell command, to which rabbitmqctl's arguments are added."""
    start: str | None = None
    """A shell command that starts the node again after a kill, and returns once it runs."""


class Broker:
    """`with Broker(nodes) as broker:` Faults strike whole nodes; queues and connections are told apart by host."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.vhost = f"faults-{secrets.token_hex(4)}"
        self.urls = [urlsplit(node.url)._replace(path=f"/{self.vhost}").geturl() for node in nodes]

    def __enter__(self) -> Self:
        self.ctl("add_vhost", self.vhost)
        for user in {urlsplit(node.url).username or "guest" for node in self.nodes}:
            self.ctl("set_permissions", "-p", self.vhost, user, ".*", ".*", ".*")
        return self

    def __exit__(self, *_: object) -> None:
        self.ctl("delete_vhost", self.vhost)

    def ctl(self, *arguments: str, node: Node | None = None) -> str:
        """rabbitmqctl's output. Raises CalledProcessError."""
        return _run(*shlex.split((node or self.nodes[0]).ctl), *arguments)

    def rows(self, command: str, *columns: str) -> list[list[str]]:
        """What a `list_…` command tells."""
        listed = self.ctl("-q", command, "--no-table-headers", *columns)
        return [line.split("\t") for line in listed.splitlines() if line.strip()]

    @property
    def version(self) -> tuple[int, int]:
        """RabbitMQ's, major and minor."""
        major, minor = self.ctl("-q", "version").strip().split(".")[:2]
        return int(major), int(minor)

    def kill(self, node: Node) -> None:
        """As a power cut does it; on the node's own machine, wherever that is."""
        with suppress(subprocess.CalledProcessError):  # nobody is left to answer
            self.ctl("eval", 'os:cmd("kill -9 " ++ os:getpid()).', node=node)

    def restart(self, node: Node) -> None:
        _run(*shlex.split(node.start or ""))


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        cwd=Path("/"),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=True,
        start_new_session=True,
    )
    return done.stdout
