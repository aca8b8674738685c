"""The files that deploy, and what is asked of the objects in them."""

from pathlib import Path
from typing import Any

from core.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
ENTRYPOINT = DEPLOY / "entrypoint.sh"
SETTINGS = {name.upper() for name in Settings.model_fields}
LONGEST_TURN = Settings.model_fields["max_turn_seconds"].default + 30
"""Seconds. A worker abandons a turn that outlives its soft limit by 30 s."""
DEPLOYMENTS = ("llm-stream-api", "llm-stream-worker")

Manifest = dict[str, Any]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def pod_of(workload: Manifest) -> Manifest:
    pod: Manifest = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: Manifest) -> Manifest:
    (container,) = pod_of(workload)["containers"]
    return dict(container)
