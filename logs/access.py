"""Who may see the logs: whoever has one of LOG_KEYS, or a token signed with one, for a browser's EventSource."""

import hmac
from typing import Annotated

from fastapi import Header, Query, Request

from core.key_signer import KeySigner
from core.model.errors import Unauthorized
from core.settings import Settings

TOKEN_SECONDS = 900


class LogAccess:
    def __init__(self, settings: Settings) -> None:
        """Raises SystemExit where production has no keys."""
        self._keys = {name: key.get_secret_value() for name, key in settings.log_keys.items()}
        if not self._keys and settings.env == "production":
            raise SystemExit("LOG_KEYS: who may see the logs is not set, as name:key, and ENV is production")
        self._signer = KeySigner(self._keys, "hopstream.logs", "token", TOKEN_SECONDS)

    @property
    def is_open(self) -> bool:
        return not self._keys

    def check_key(self, authorization: str | None) -> str:
        """The name of the key. Raises Unauthorized."""
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Unauthorized("send one of LOG_KEYS: Authorization: Bearer KEY")
        for name, key in self._keys.items():
            if hmac.compare_digest(key.encode(), given.strip().encode()):
                return name
        raise Unauthorized("the key is not one of LOG_KEYS; a key of API_KEYS opens nothing here")

    def check_token(self, token: str) -> None:
        """Raises Unauthorized."""
        self._signer.read(token)

    def token_of(self, key_name: str) -> str:
        return self._signer.sign(key_name)


def require_access(
    request: Request,
    authorization: Annotated[str | None, Header()] = None,
    token: Annotated[str | None, Query(max_length=500)] = None,
) -> None:
    """A dependency of routes. Raises Unauthorized."""
    access: LogAccess = request.app.state.access
    if access.is_open:
        return
    if token is not None:
        access.check_token(token)
    else:
        access.check_key(authorization)
