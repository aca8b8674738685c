"""API keys as they are configured: `name:key` pairs. No message here ever quotes a key."""

import re

from pydantic import SecretStr

NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
KEY = re.compile(r"[\x21-\x7e]+\Z")
"""Visible ASCII: what an `Authorization` header carries without quoting."""
SHORTEST_KEY = 16
"""Characters. Guessing is hopeless from there on, if they are random."""


def parse_api_keys(value: object) -> object:
    """`alice:3f…, bob:9c…` as a key by name; anything but text is left as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    keys: dict[str, SecretStr] = {}
    for number, pair in enumerate(filter(None, map(str.strip, value.split(","))), start=1):
        name, colon, key = pair.partition(":")
        name, key = name.strip(), key.strip()
        if not colon:
            raise ValueError(f"pair {number} is not of the form name:key")
        if not NAME.match(name):
            # The name may be a key whose own name was forgotten.
            raise ValueError(f"the name of pair {number} must be 1 to 32 letters, digits, _ and -")
        _check(name, key, keys)
        keys[name] = SecretStr(key)
    return keys


def _check(name: str, key: str, others: dict[str, SecretStr]) -> None:
    if name in others:
        raise ValueError(f"there are two keys with the name {name}")
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the key of {name} is shorter than {SHORTEST_KEY} characters")
    if not KEY.match(key):
        raise ValueError(f"the key of {name} must be visible ASCII characters without blanks")
    if key in (other.get_secret_value() for other in others.values()):
        raise ValueError(f"the key of {name} is the key of another name too")
