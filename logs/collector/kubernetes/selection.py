"""Which pods are followed."""

import socket
from collections.abc import Sequence
from fnmatch import fnmatchcase


def is_followed(namespace: str, pod: str, left_out: Sequence[str]) -> bool:
    """`left_out`: as LOG_KUBERNETES_EXCEPT has them. The collector's own pod is not followed: each line would make the
    next."""
    patterns = [pattern if "/" in pattern else f"*/{pattern}" for pattern in left_out]
    return pod != socket.gethostname() and not any(fnmatchcase(f"{namespace}/{pod}", pattern) for pattern in patterns)
