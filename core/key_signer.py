"""Signing with API keys: rights that can be handed on for a while in place of the key itself.

Every API process signs the same way with the same keys, and a key that is taken away takes what it has signed along.
"""

import hashlib
from time import time
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from core.model.errors import Unauthorized

HMAC_SHA256 = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class KeySigner:
    """For rights of one kind, which `noun` names in errors. `salt` keeps it apart from all other kinds."""

    def __init__(self, keys: dict[str, str], salt: str, noun: str, seconds: int) -> None:
        self._noun = noun
        self._seconds = seconds
        self._signers = {name: URLSafeSerializer(key, salt, signer_kwargs=HMAC_SHA256) for name, key in keys.items()}

    def sign(self, key_name: str, *content: str) -> str:
        """URL-safe. Its end is in it, not its beginning: the next process's clock may be a second behind ours."""
        return self._signers[key_name].dumps([*content, int(time()) + self._seconds])

    def read(self, signed: str) -> tuple[str, list[str]]:
        """The name of the key that has signed it, and the content. Raises Unauthorized."""
        for name, signer in self._signers.items():
            try:
                loaded: Any = signer.loads(signed)
            except BadData:
                continue
            *content, expires_at = loaded
            if time() >= expires_at:
                raise Unauthorized(f"the {self._noun} has expired; ask with the API key")
            return name, content
        raise Unauthorized(f"the {self._noun} is not one of ours")
