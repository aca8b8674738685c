"""Access: who calls, by API key or stream token, and what they reach. What is not open by name needs a key."""

import hashlib
import hmac

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import problem_of
from api.http.stream_tokens import StreamTokens
from core.model.errors import Unauthorized
from core.model.keys import TurnKey
from core.settings import Settings
from core.store.reach import EVERYTHING, Reach

log = structlog.get_logger()

OPEN_PATHS = ("/", "/health", "/ready")
OPEN_FOLDER = "/assets/"
STREAM_FOLDER = "/stream/"


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

    def admit(self, connection: HTTPConnection) -> Reach | None:
        """What the caller reaches; None for a stranger on an open path. Raises Unauthorized."""
        if self.is_open:
            return EVERYTHING
        try:
            return Reach(self._identify(connection))
        except Unauthorized:
            path = connection.scope["path"]
            if path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
                return None
            raise

    def stream_url(self, reach: Reach, key: TurnKey) -> str:
        """With a token where one is needed: a browser's EventSource cannot send headers."""
        url = f"{STREAM_FOLDER}{key.session_id}?turn={key.turn}"
        return url if reach.key_name is None else f"{url}&token={self._tokens.sign(reach.key_name, key)}"

    def _identify(self, connection: HTTPConnection) -> str:
        """The name of the key."""
        authorization = connection.headers.get("authorization")
        if authorization is not None:
            return self._name_of_key(authorization)
        path, query = connection.scope["path"], connection.query_params
        if path.startswith(STREAM_FOLDER) and connection.scope.get("method") == "GET" and "token" in query:
            # Parameters given twice are read differently by different readers.
            turn, token = ",".join(query.getlist("turn")), ",".join(query.getlist("token"))
            return self._tokens.key_name(token, f"{path.removeprefix(STREAM_FOLDER)}.{turn}")
        raise Unauthorized("this needs an API key, sent as Authorization: Bearer <key>")

    def _name_of_key(self, authorization: str) -> str:
        """Compares with every key, and in the same time whatever is given. RFC 6750, 2.1."""
        scheme, _, given = authorization.partition(" ")
        digest = _digest(given.strip())
        matches = [name for name, known in self._digests.items() if hmac.compare_digest(known, digest)]
        if scheme.lower() != "bearer" or not matches:
            raise Unauthorized("this API key is not known; it is sent as Authorization: Bearer <key>")
        return matches[0]


class AccessMiddleware:
    """In front of everything, unknown paths included, so that no route can forget to ask."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            connection.state.reach = reach = self._access.admit(connection)
        except Unauthorized as error:
            log.info("refused", action="access.refused", path=scope["path"], reason=error.message)
            await problem_of(connection, error)(scope, receive, send)
            return
        with structlog.contextvars.bound_contextvars(key_name=reach and reach.key_name):
            await self._app(scope, receive, send)


def _digest(key: str) -> bytes:
    """Of equal length for all, so that a comparison does not even tell a key's length."""
    return hashlib.sha256(key.encode()).digest()
