"""Which containers are followed, and what their lines are called."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
OPT_OUT = "hopstream.logs"
"""A container with this label set to false is never followed."""


class Container(msgspec.Struct, frozen=True):
    """What the engine says of one, wherever it says it."""

    id: str
    name: str
    labels: Mapping[str, str]

    @property
    def service(self) -> str:
        """Compose's name for it, or its own."""
        return self.labels.get(SERVICE) or self.name or self.id[:12]


class Selection:
    """By names and labels; `*` for all."""

    def __init__(self, chosen: Sequence[str], own_id: str | None = None) -> None:
        """`chosen`: as LOG_DOCKER_CONTAINERS has them. `own_id`: the collector's own container."""
        self._labels = [(label, value) for label, equals, value in (word.partition("=") for word in chosen) if equals]
        self._names = [word for word in chosen if "=" not in word]
        self._own_id = own_id
        self.labels_read = frozenset({PROJECT, SERVICE, OPT_OUT, *(label for label, _ in self._labels)})
        """Nobody need know more of them."""

    def includes(self, container: Container) -> bool:
        """Whether it is one of those that were chosen, be it followed or not."""
        if any(container.labels.get(label) == value for label, value in self._labels):
            return True
        names = (container.name, container.labels.get(SERVICE, container.name))
        return any(fnmatchcase(name, pattern) for pattern in self._names for name in names)

    def follows(self, container: Container) -> bool:
        """Never itself: each line would make the next."""
        opted_out = container.labels.get(OPT_OUT, "").strip().lower() in ("false", "no", "off", "0")
        return not opted_out and container.id != self._own_id and self.includes(container)


def listed(values: Mapping[str, object]) -> Container:
    """Of an item of GET /containers/json."""
    names = values.get("Names")
    name = str(names[0]) if isinstance(names, list) and names else ""
    return Container(str(values.get("Id", "")), name.removeprefix("/"), _texts(values.get("Labels")))


def inspected(values: Mapping[str, object]) -> Container:
    """Of GET /containers/{id}/json."""
    config = values.get("Config")
    labels = config.get("Labels") if isinstance(config, dict) else None
    return Container(str(values.get("Id", "")), str(values.get("Name", "")).removeprefix("/"), _texts(labels))


def of_event(values: Mapping[str, object]) -> Container:
    """Of an item of GET /events, where labels and attributes are one."""
    actor = values.get("Actor")
    actor = actor if isinstance(actor, dict) else {}
    attributes = _texts(actor.get("Attributes"))
    return Container(str(actor.get("ID") or values.get("id") or ""), attributes.get("name", ""), attributes)


def _texts(values: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}
