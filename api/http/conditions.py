"""Conditions of a request on the version of what it asks for (RFC 9110, 8.8.3 and 13.1)."""

import re
from collections.abc import Sequence

ANY = "*"

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def entity_tag(version: str) -> str:
    """A strong one."""
    return f'"{version}"'


def versions_of(headers: Sequence[str], *, weakly: bool = False) -> frozenset[str] | None:
    """Of `If-Match`, or weakly of `If-None-Match`: the versions that are named, `*` among them for any; None without
    the header. A header that came several times is one list. What is no tag names nothing, nor does a weak one where
    tags are compared strongly (8.8.3.2)."""
    if not headers:
        return None
    text = ",".join(headers)
    if text.strip() == ANY:
        return frozenset({ANY})
    return frozenset(version for weak, version in _TAG.findall(text) if weakly or not weak)
