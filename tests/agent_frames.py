"""The frames of /ws/chat, each held to docs/agents.schema.json."""

import json
from typing import Any

from jsonschema_rs import Draft202012Validator

from tests.stack import ROOT

_SCHEMA = json.loads((ROOT / "docs" / "agents.schema.json").read_text())
_SERVER = Draft202012Validator({"$ref": "#/$defs/server", "$defs": _SCHEMA["$defs"]})
_CLIENT = Draft202012Validator({"$ref": "#/$defs/client", "$defs": _SCHEMA["$defs"]})


def check_server_frame(frame: dict[str, Any]) -> None:
    """Raises jsonschema_rs.ValidationError."""
    _SERVER.validate(frame)


def check_client_frame(frame: dict[str, Any]) -> None:
    """Raises jsonschema_rs.ValidationError."""
    _CLIENT.validate(frame)
