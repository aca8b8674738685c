"""Stream tokens: the right to read one turn's stream for a while, signed with the API key that the turn belongs to.

Every API process makes the same of the same keys, and a key that is taken away takes its tokens with it.
"""

import hashlib
from time import time
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from core.model.errors import Unauthorized
from core.model.keys import TurnKey

SALT = "hopstream.stream"
HMAC_SHA256 = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class StreamTokens:
    def __init__(self, keys: dict[str, str], seconds: int) -> None:
        self._seconds = seconds
        self._signers = {name: URLSafeSerializer(key, SALT, signer_kwargs=HMAC_SHA256) for name, key in keys.items()}

    def sign(self, key_name: str, key: TurnKey) -> str:
        """URL-safe. Its end is in it, not its beginning: the next process's clock may be a second behind ours."""
        return self._signers[key_name].dumps([str(key), int(time()) + self._seconds])

    def key_name(self, token: str, turn_key: str) -> str:
        """Whose key has signed this token for this turn. Raises Unauthorized."""
        for name, signer in self._signers.items():
            try:
                content: Any = signer.loads(token)
            except BadData:
                continue
            signed_key, expires_at = content
            if signed_key != turn_key:
                raise Unauthorized("the stream token is for another turn")
            if time() >= expires_at:
                raise Unauthorized("the stream token has expired; ask with the API key")
            return name
        raise Unauthorized("the stream token is not one of ours")
