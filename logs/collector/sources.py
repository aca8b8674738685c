"""Which sources there are: one line for each."""

import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from core.settings import Settings
from logs.collector.docker.engine import Engine
from logs.collector.docker.source import DockerSource
from logs.collector.files.source import Describe, FileSource, describe_file
from logs.collector.kubernetes.nodes import PATTERNS, describe_pod_log
from logs.collector.kubernetes.pods import PodSource
from logs.collector.sender import Sender
from logs.collector.source import CannotCollect, Source

MACHINE_ID = Path("/etc/machine-id")


def sources_of(settings: Settings, sender: Sender, places: Mapping[str, str]) -> list[Source]:
    """Those of LOG_COLLECT; `places`: how far each has been read before. Raises CannotCollect."""
    sources: list[Source] = []
    for name in dict.fromkeys(settings.log_collect):
        match name:
            case "docker":
                sources.append(_docker(settings, sender, places))
            case "files":
                if not settings.log_files:
                    raise CannotCollect("LOG_FILES: name the files that LOG_COLLECT=files shall follow")
                sources.append(_files(settings, "files", settings.log_files, describe_file, sender, places))
            case "kubernetes":
                describe = partial(describe_pod_log, left_out=settings.log_kubernetes_except)
                sources.append(_files(settings, "kubernetes", PATTERNS, describe, sender, places))
            case "pods":
                sources.append(_pods(settings, sender, places))
    return sources


def _docker(settings: Settings, sender: Sender, places: Mapping[str, str]) -> Source:
    return DockerSource(
        Engine(settings.log_docker_host),
        sender,
        places,
        chosen=settings.log_docker_containers,
        hours=settings.log_collect_hours,
        lines_per_second=settings.log_lines_per_second,
    )


def _files(
    settings: Settings,
    name: str,
    patterns: Sequence[str],
    describe: Describe,
    sender: Sender,
    places: Mapping[str, str],
) -> Source:
    hours, lines_per_second = settings.log_collect_hours, settings.log_lines_per_second
    machine = f"{_machine()}:" if name == "files" else ""  # a pod's path is its own
    return FileSource(
        name, patterns, describe, sender, places, hours=hours, lines_per_second=lines_per_second, machine=machine
    )


def _machine() -> str:
    """systemd's id of it, which stays when its name changes; else its name."""
    try:
        machine_id = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        machine_id = ""
    return machine_id or socket.gethostname()


def _pods(settings: Settings, sender: Sender, places: Mapping[str, str]) -> Source:
    return PodSource(
        settings.log_kubernetes_api,
        sender,
        places,
        left_out=settings.log_kubernetes_except,
        hours=settings.log_collect_hours,
        lines_per_second=settings.log_lines_per_second,
    )
