"""Access: who calls, by API key or stream token, and what they reach."""

import hashlib
import hmac

from starlette.requests import HTTPConnection

from api.access.policy import Found
from api.access.stream_tokens import StreamTokens
from api.access.tickets import Tickets
from core.model.errors import Unauthorized
from core.model.keys import TurnKey
from core.settings import Settings
from core.store.reach import EVERYTHING, Reach


class Access:
    """Without keys it is open, and everybody reaches everything."""

    def __init__(self, settings: Settings) -> None:
        """Raises SystemExit where the API must not start."""
        keys = {name: key.get_secret_value() for name, key in settings.api_keys.items()}
        if not keys and settings.env == "production":
            raise SystemExit("API_KEYS: with ENV=production the API needs at least one name:key pair")
        self.is_open = not keys
        self._digests = {name: _digest(key) for name, key in keys.items()}
        self._tokens = StreamTokens(keys, settings.stream_token_seconds)
        self.tickets = Tickets(keys)

    def admit(self, connection: HTTPConnection, found: Found) -> Reach | None:
        """What the caller reaches; None for a stranger on an open path. Raises Unauthorized."""
        if self.is_open:
            return EVERYTHING
        try:
            return Reach(self._identify(connection, found))
        except Unauthorized:
            if found.policy.is_open:
                return None
            raise

    def stream_url(self, reach: Reach, key: TurnKey, root_path: str) -> str:
        """With a token where one is needed: a browser's EventSource cannot send headers."""
        url = stream_path(key, root_path)
        return url if reach.key_name is None else f"{url}&token={self._tokens.sign(reach.key_name, key)}"

    def _identify(self, connection: HTTPConnection, found: Found) -> str:
        """The name of the key."""
        authorization = connection.headers.get("authorization")
        if authorization is not None:
            return self._name_of_key(authorization)
        if found.policy.takes_stream_token and "token" in (query := connection.query_params):
            # Parameters given twice are read differently by different readers.
            turn, token = ",".join(query.getlist("turn")), ",".join(query.getlist("token"))
            return self._tokens.key_name(token, f"{found.params['session_id']}.{turn}")
        raise Unauthorized("this needs an API key, sent as Authorization: Bearer <key>")

    def _name_of_key(self, authorization: str) -> str:
        """Compares with every key, and in the same time whatever is given. RFC 6750, 2.1."""
        scheme, _, given = authorization.partition(" ")
        digest = _digest(given.strip())
        matches = [name for name, known in self._digests.items() if hmac.compare_digest(known, digest)]
        if scheme.lower() != "bearer" or not matches:
            raise Unauthorized("this API key is not known; it is sent as Authorization: Bearer <key>")
        return matches[0]


def stream_path(key: TurnKey, root_path: str) -> str:
    """Of a turn's stream, for whoever has the key."""
    return f"{root_path}/stream/{key.session_id}?turn={key.turn}"


def _digest(key: str) -> bytes:
    """Of equal length for all, so that a comparison does not even tell a key's length."""
    return hashlib.sha256(key.encode()).digest()
