"""The log files of a Kubernetes node, for a DaemonSet that mounts /var/log."""

import re
from collections.abc import Sequence
from pathlib import Path

from logs.collector.files.formats import Cri
from logs.collector.files.source import About
from logs.collector.kubernetes.selection import is_followed

PATTERNS = ("/var/log/pods/*/*/*.log", "/var/log/containers/*.log")
"""The second ones are links to the first; a file is followed once, whatever leads to it."""
_POD = re.compile(r"/(?P<namespace>[a-z0-9-]+)_(?P<pod>[a-z0-9.-]+)_[0-9a-z-]+/(?P<container>[a-z0-9-]+)/\d+\.log$")
_LINK = re.compile(r"/(?P<pod>[a-z0-9.-]+)_(?P<namespace>[a-z0-9-]+)_(?P<container>[a-z0-9-]+)-[0-9a-f]{64}\.log$")


def describe_pod_log(path: Path, left_out: Sequence[str] = ()) -> About | None:
    """None for what is no container's, or of a pod that is not followed."""
    found = _POD.search(str(path)) or _LINK.search(str(path))
    if found is None or not is_followed(found["namespace"], found["pod"], left_out):
        return None
    return About(found["container"], found.groupdict(), Cri, is_service_sure=True)
