"""The log files of a Kubernetes node, for a DaemonSet that mounts /var/log."""

import re
import socket
from pathlib import Path

from logs.collector.files.formats import Cri
from logs.collector.files.source import About

PATTERNS = ("/var/log/pods/*/*/*.log", "/var/log/containers/*.log")
"""The second ones are links to the first; a file is followed once, whatever leads to it."""
_POD = re.compile(r"/(?P<namespace>[a-z0-9-]+)_(?P<pod>[a-z0-9.-]+)_[0-9a-z-]+/(?P<container>[a-z0-9-]+)/\d+\.log$")
_LINK = re.compile(r"/(?P<pod>[a-z0-9.-]+)_(?P<namespace>[a-z0-9-]+)_(?P<container>[a-z0-9-]+)-[0-9a-f]{64}\.log$")


def describe_pod_log(path: Path) -> About | None:
    """The collector's own pod is not followed: each line would make the next."""
    found = _POD.search(str(path)) or _LINK.search(str(path))
    if found is None or found["pod"] == socket.gethostname():
        return None
    return About(found["container"], found.groupdict(), Cri, is_service_sure=True)
