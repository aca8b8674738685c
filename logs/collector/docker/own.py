"""The container in which this process runs, if it is in one."""

import re
import socket
from pathlib import Path

from logs.collector.docker.engine import Engine, NotFound
from logs.collector.docker.selection import PROJECT, Container, Selection, inspected
from logs.collector.source import CannotCollect

_ID = re.compile(r"/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/|/docker[/-]([0-9a-f]{64})")
"""The files that an engine mounts into each container; a host has mounts of all of them."""
_TOLD_BY = (Path("/proc/self/mountinfo"), Path("/proc/self/cgroup"))


async def own_container(engine: Engine) -> Container | None:
    """Raises EngineError."""
    for candidate in _candidates():
        try:
            container = inspected(await engine.inspect(candidate))
        except NotFound:
            continue
        if container.id.startswith(candidate):
            return container
    return None


def selection_of(chosen: list[str], own: Container | None) -> Selection:
    """Those that were chosen, or those of the own Compose project. Raises CannotCollect."""
    own_id = own.id if own else None
    if chosen:
        return Selection(chosen, own_id)
    if own is None or not own.labels.get(PROJECT):
        raise CannotCollect(
            "LOG_DOCKER_CONTAINERS: name the containers whose logs shall be collected, or a label of theirs, as "
            "com.docker.compose.project=shop; * is all. Without it they are those of the collector's own Compose "
            "project, but it runs in none."
        )
    return Selection([f"{PROJECT}={own.labels[PROJECT]}"], own_id)


def _candidates() -> list[str]:
    found: list[str] = []
    hostname = socket.gethostname()
    if re.fullmatch(r"[0-9a-f]{12}|[0-9a-f]{64}", hostname):  # unless it was given one
        found.append(hostname)
    for path in _TOLD_BY:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found += [one or other for one, other in _ID.findall(text)]
    return list(dict.fromkeys(found))[:8]
