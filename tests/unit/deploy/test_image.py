"""The image: what is copied into it, and as whom it runs."""

import json
import os
import re
from functools import cache

import yaml

from tests.unit.deploy.files import DEPLOY, ENTRYPOINT, ROOT, pod_of


@cache
def dockerfile() -> dict[str, list[str]]:
    """The instructions of the Dockerfile, each with its arguments in the order of the file."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    instructions: dict[str, list[str]] = {}
    for line in filter(None, text.splitlines()):
        name, arguments = line.split(maxsplit=1)
        instructions.setdefault(name, []).append(arguments)
    return instructions


def test_the_image_runs_as_the_user_that_kubernetes_names() -> None:
    (user,) = {user for users in dockerfile()["USER"] for user in users.split(":")}
    for name in ("api", "worker"):
        manifest = next(yaml.safe_load_all((DEPLOY / f"k8s/base/{name}.yaml").read_text()))
        assert pod_of(manifest)["securityContext"]["runAsUser"] == int(user) > 0


def test_the_image_execs() -> None:
    (entrypoint,) = dockerfile()["ENTRYPOINT"]
    assert json.loads(entrypoint)[-1] == "/app/deploy/entrypoint.sh"
    assert os.access(ENTRYPOINT, os.X_OK)


def test_the_image_has_its_health_check() -> None:
    (check,) = dockerfile()["HEALTHCHECK"]
    assert check.endswith('CMD ["python", "deploy/healthcheck.py"]')
    assert "healthcheck.py" in " ".join(dockerfile()["COPY"])


def test_only_what_the_image_copies_is_sent_to_the_builder() -> None:
    ignored, *rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored == "*"
    assert "**/.env*" in rules
    copied = {source for copy in dockerfile()["COPY"] for source in copy.split()[:-1]}
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
