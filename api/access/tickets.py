"""Tickets: the right to open one WebSocket, once and soon, for a browser's WebSocket cannot send a key.

A page gets one by `POST /ws/ticket`, and offers it as a subprotocol: what is in a URL ends up in logs and histories.
"""

import secrets
from typing import NamedTuple

from starlette.types import Scope

from core.key_signer import KeySigner
from core.model.errors import Unauthorized

PROTOCOL = "hopstream.v1"
"""The subprotocol of all our WebSockets (RFC 6455, 1.9)."""
TICKET_PROTOCOL = "hopstream.ticket."
"""The ticket follows. The server never chooses this one."""
TICKET_SECONDS = 60
"""A page opens its WebSocket as soon as it has the ticket."""
OPEN_TICKET = "open"
"""While the API has no keys, so that clients need not know that."""


class Ticket(NamedTuple):
    key_name: str
    ticket_id: str
    """By which the store knows whether it was used."""


class Tickets:
    def __init__(self, keys: dict[str, str]) -> None:
        self._signer = KeySigner(keys, "hopstream.ticket", "ticket", TICKET_SECONDS)

    def issue(self, key_name: str | None, path: str) -> str:
        """For the WebSocket at this path. Made of characters that a subprotocol may have."""
        if key_name is None:
            return OPEN_TICKET
        return self._signer.sign(key_name, path, secrets.token_urlsafe(12))

    def read(self, ticket: str, path: str) -> Ticket:
        """Raises Unauthorized. Whether it was used before is not to be seen in it."""
        name, (signed_path, ticket_id) = self._signer.read(ticket)
        if signed_path != path:
            raise Unauthorized("the ticket is for another path")
        return Ticket(name, ticket_id)


def offered_ticket(scope: Scope) -> str | None:
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(TICKET_PROTOCOL):
            return str(offered.removeprefix(TICKET_PROTOCOL))
    return None
