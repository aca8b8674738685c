"""Stream tokens: the right to read one turn's stream for a while, for a browser's EventSource cannot send a key."""

from core.key_signer import KeySigner
from core.model.errors import Unauthorized
from core.model.keys import TurnKey


class StreamTokens:
    def __init__(self, keys: dict[str, str], seconds: int) -> None:
        self._signer = KeySigner(keys, "hopstream.stream", "stream token", seconds)

    def sign(self, key_name: str, key: TurnKey) -> str:
        return self._signer.sign(key_name, str(key))

    def key_name(self, token: str, turn_key: str) -> str:
        """Whose key has signed this token for this turn. Raises Unauthorized."""
        name, (signed_key,) = self._signer.read(token)
        if signed_key != turn_key:
            raise Unauthorized("the stream token is for another turn")
        return name
