"""The log dashboard in Compose and on Kubernetes: names as its users know them, no secrets or sockets in reach."""

import json
import re
import shutil
import subprocess
from functools import cache

import kubernetes_validate
import pytest
import yaml

from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.unit.deploy.files import DEPLOY, SETTINGS, Manifest, container_of, of_kind, pod_of
from tests.unit.deploy.test_kubernetes import KUBERNETES

NAMED = {"llm-streamer-redis", "llm-streamer-gateway", "llm-streamer-collector"}


@pytest.fixture(scope="module")
def services() -> dict[str, Manifest]:
    file: Manifest = yaml.safe_load((DEPLOY / "logs.compose.yaml").read_text())
    services: dict[str, Manifest] = file["services"]
    return services


@cache
def rendered() -> list[Manifest]:
    require(shutil.which("kubectl"), "kubectl is not installed")
    command = ["kubectl", "kustomize", str(DEPLOY / "k8s" / "logs")]
    output = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    assert output.stderr == ""
    return [manifest for manifest in yaml.safe_load_all(output.stdout) if manifest]


def test_compose_has_it_under_a_profile(compose: Manifest, services: dict[str, Manifest]) -> None:
    assert compose["include"] == ["logs.compose.yaml"]
    assert {tuple(service["profiles"]) for service in services.values()} == {("logs",)}
    assert services.keys() == NAMED | {"llm-streamer-producer", "producer", "llm-streamer-docker"}


def test_containers_are_called_as_people_know_them(services: dict[str, Manifest]) -> None:
    assert {name for name, service in services.items() if service.get("container_name") == name} == NAMED
    for name in ("llm-streamer-producer", "producer"):  # of which there can be several
        assert "container_name" not in services[name]
    assert services["producer"]["scale"] == 0


def test_each_has_a_health_check_of_its_own(services: dict[str, Manifest]) -> None:
    checks = {name: json.dumps(service["healthcheck"]["test"]) for name, service in services.items()}
    assert len(set(checks.values())) == len(checks) - 1  # one for both producers


def test_nothing_of_it_tells_of_itself(services: dict[str, Manifest]) -> None:
    for service in services.values():
        assert service["labels"] == {"hopstream.logs": "false"}


def test_redis_has_a_password_and_no_port(services: dict[str, Manifest]) -> None:
    redis = services["llm-streamer-redis"]
    assert "ports" not in redis
    assert "--requirepass" in redis["command"][-1]
    for service in services.values():
        assert service["environment"].get("REDIS_URL", "redis://:x@").startswith("redis://:")


def test_one_service_alone_has_docker_s_socket_and_one_reaches_it(services: dict[str, Manifest]) -> None:
    assert [name for name, service in services.items() if "docker.sock" in json.dumps(service.get("volumes", []))] == [
        "llm-streamer-docker"
    ]
    near = {name for name, service in services.items() if "llm-streamer-docker" in service.get("networks", [])}
    assert near == {"llm-streamer-docker", "llm-streamer-collector"}
    assert services["llm-streamer-docker"]["networks"] == ["llm-streamer-docker"]
    assert "ports" not in services["llm-streamer-docker"]


def test_ours_can_do_little(services: dict[str, Manifest]) -> None:
    for name, service in services.items():
        if name != "llm-streamer-redis":
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]


def test_what_is_passed_on_are_settings(services: dict[str, Manifest]) -> None:
    names = (DEPLOY / "logs.compose.env").read_text().splitlines()
    passed = {name for name in names if not name.startswith("#")}
    assert "LOG_KEYS" in passed
    assert passed <= SETTINGS
    for name, service in services.items():
        if name != "llm-streamer-redis":
            assert service["environment"].keys() <= SETTINGS
    assert "${API_HOST:-127.0.0.1}:" in services["llm-streamer-gateway"]["ports"][0]


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid(version: str) -> None:
    for manifest in rendered():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_pods_know_the_settings_and_none_else() -> None:
    (config,) = of_kind(rendered(), "ConfigMap").values()
    assert config["data"].keys() <= SETTINGS
    secrets = of_kind(rendered(), "Secret")
    (ours,) = [secret for name, secret in secrets.items() if name.startswith("llm-streamer-secrets")]
    assert ours["data"].keys() == {"REDIS_URL", "LOG_KEYS"}


def test_pods_can_do_little() -> None:
    workloads = of_kind(rendered(), "StatefulSet") | of_kind(rendered(), "DaemonSet")
    assert workloads.keys() == NAMED
    for name, workload in workloads.items():
        pod, container = pod_of(workload), container_of(workload)
        security = container["securityContext"]
        assert pod["automountServiceAccountToken"] is False
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
        assert "memory" in container["resources"]["limits"]
        assert (pod["securityContext"]["runAsUser"] == 0) is (name == "llm-streamer-collector")
    mounts = container_of(workloads["llm-streamer-collector"])["volumeMounts"]
    assert next(mount for mount in mounts if mount["name"] == "pods")["readOnly"]


def test_the_docs_name_what_there_is(services: dict[str, Manifest]) -> None:
    docs = (DEPLOY.parent / "docs" / "logs.md").read_text()
    named = set(re.findall(r"llm-streamer-\w+", docs))
    assert named <= services.keys()
    assert set(re.findall(r"`(LOG_\w+|REDIS_URL|LLM_\w+)[=`]", docs)) <= SETTINGS | {"LOG_REDIS_PASSWORD"}
