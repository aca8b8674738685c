"""The files that deploy: they render, validate against the Kubernetes schemas and agree with the settings."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import kubernetes_validate
import psutil
import pytest
import yaml

from core.settings import Settings
from deploy import healthcheck
from tests.patience import PATIENCE_SECONDS
from workers.replacement import HAND_OVER_SECONDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ENTRYPOINT = DEPLOY / "entrypoint.sh"
SETTINGS = {name.upper() for name in Settings.model_fields}
LONGEST_TURN = Settings.model_fields["max_turn_seconds"].default + 30
"""Seconds. A worker abandons a turn that outlives its soft limit by 30 s."""
KUBERNETES = ("1.29", kubernetes_validate.latest_version())
DEPLOYMENTS = ("llm-stream-api", "llm-stream-worker")
OVERLAYS = ("dev", "prod")

Manifest = dict[str, Any]


@cache
def kubectl_kustomize(overlay: str) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "kustomize", str(DEPLOY / "k8s" / "overlays" / overlay)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    if not shutil.which("kubectl"):
        reason = "kubectl is not installed, so the Kubernetes overlays cannot be rendered"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(request.param)


@pytest.fixture
def manifests(overlay: str) -> list[Manifest]:
    return [manifest for manifest in yaml.safe_load_all(kubectl_kustomize(overlay).stdout) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def pod_of(workload: Manifest) -> Manifest:
    pod: Manifest = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: Manifest) -> Manifest:
    (container,) = pod_of(workload)["containers"]
    return dict(container)


# Kubernetes


def test_an_overlay_renders_without_a_warning(overlay: str) -> None:
    rendered = kubectl_kustomize(overlay)
    assert (rendered.returncode, rendered.stderr) == (0, "")


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_valid(manifests: list[Manifest], version: str) -> None:
    assert manifests
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("gateway.networking.k8s.io/"):  # which Kubernetes itself does not know
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_overlays_set_replicas_and_image(overlay: str, manifests: list[Manifest]) -> None:
    deployments = of_kind(manifests, "Deployment")
    replicas = {name: deployment["spec"]["replicas"] for name, deployment in deployments.items()}
    counts = {"dev": (1, 2), "prod": (2, 3)}[overlay]
    assert replicas == dict(zip(DEPLOYMENTS, counts, strict=True))

    (image,) = {container_of(deployment)["image"] for deployment in deployments.values()}
    assert re.fullmatch(r"[a-z./]*hopstream:(?!latest)[\w.]+", image)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_roll_out_never_takes_a_pod_before_its_successor_is_ready(manifests: list[Manifest], name: str) -> None:
    deployment = of_kind(manifests, "Deployment")[name]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert pod_of(deployment)["topologySpreadConstraints"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_liveness_and_readiness_are_asked_over_http(manifests: list[Manifest], name: str) -> None:
    container = container_of(of_kind(manifests, "Deployment")[name])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {probe: container[probe]["httpGet"] for probe in container if probe.endswith("Probe")}
    assert {asked["port"] for asked in probes.values()} == ports.keys()
    paths = {probe: asked["path"] for probe, asked in probes.items()}
    assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}


def test_a_worker_listens_where_it_is_probed(manifests: list[Manifest], compose: Manifest) -> None:
    worker = container_of(of_kind(manifests, "Deployment")["llm-stream-worker"])
    (config,) = of_kind(manifests, "ConfigMap").values()
    assert config["data"]["WORKER_HEALTH_PORT"] == str(worker["ports"][0]["containerPort"])
    service = compose["services"]["worker"]
    assert f":{service['environment']['WORKER_HEALTH_PORT']}/ready" in " ".join(service["healthcheck"]["test"])


def test_grace_periods_fit_what_a_pod_has_to_finish(manifests: list[Manifest]) -> None:
    grace = {
        name: pod_of(deployment)["terminationGracePeriodSeconds"]
        for name, deployment in of_kind(manifests, "Deployment").items()
    }
    assert grace["llm-stream-worker"] > LONGEST_TURN
    (shutdown_grace,) = container_of(of_kind(manifests, "Deployment")["llm-stream-worker"])["env"]
    assert LONGEST_TURN - 30 <= int(shutdown_grace["value"]) < grace["llm-stream-worker"] - HAND_OVER_SECONDS

    api = container_of(of_kind(manifests, "Deployment")["llm-stream-api"])
    leaving = int(api["lifecycle"]["preStop"]["exec"]["command"][-1])
    closing = re.search(r"--timeout-graceful-shutdown (\d+)", ENTRYPOINT.read_text())
    assert closing
    assert leaving + int(closing[1]) < grace["llm-stream-api"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_disruption_budget_covers_the_pods(manifests: list[Manifest], name: str) -> None:
    labels = of_kind(manifests, "Deployment")[name]["spec"]["template"]["metadata"]["labels"]
    budget = of_kind(manifests, "PodDisruptionBudget")[name]["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    assert budget["maxUnavailable"] == 1


def test_a_service_reaches_the_port_of_its_pods(manifests: list[Manifest]) -> None:
    workloads = of_kind(manifests, "Deployment") | of_kind(manifests, "StatefulSet")
    services = of_kind(manifests, "Service")
    assert "llm-stream-api" in services
    for name, service in services.items():
        template = workloads[name]["spec"]["template"]
        assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        offered = {value for port in container_of(workloads[name])["ports"] for value in port.values()}
        assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= offered


def test_every_pod_keeps_to_the_restricted_standard(manifests: list[Manifest]) -> None:
    """The Pod Security Standard "restricted"; ours also have a read-only root and no say in the cluster."""
    workloads = of_kind(manifests, "Deployment") | of_kind(manifests, "StatefulSet")
    for name, workload in workloads.items():
        pod, container = pod_of(workload), container_of(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"].get("readOnlyRootFilesystem", False) is (name in DEPLOYMENTS)
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_secrets_are_made_for_dev_and_expected_in_prod(overlay: str, manifests: list[Manifest]) -> None:
    secrets = of_kind(manifests, "Secret")
    for deployment in of_kind(manifests, "Deployment").values():
        config, secret = container_of(deployment)["envFrom"]
        assert config["configMapRef"]["name"] in of_kind(manifests, "ConfigMap")
        if overlay == "prod":
            assert secret["secretRef"]["name"] == "hopstream-secrets"
            assert not secrets
        else:
            assert secrets[secret["secretRef"]["name"]]["data"].keys() <= SETTINGS
            assert "API_KEYS" in secrets[secret["secretRef"]["name"]]["data"]


def test_prod_is_production_and_says_which_keys_its_secret_needs(overlay: str, manifests: list[Manifest]) -> None:
    (config,) = of_kind(manifests, "ConfigMap").values()
    if overlay == "dev":
        assert "ENV" not in config["data"]
        return
    assert config["data"]["ENV"] == "production"
    assert "CORS_ORIGINS" not in config["data"]  # the page comes from the API itself
    recipe = (DEPLOY / "k8s/overlays/prod/kustomization.yaml").read_text()
    named = set(re.findall(r"--from-literal=(\w+)", recipe))
    assert named == {"RABBIT_MQ", "DATABASE_URL", "OPENAI_API_KEY", "API_KEYS"}


def test_the_config_map_holds_known_settings_only(manifests: list[Manifest]) -> None:
    (config,) = of_kind(manifests, "ConfigMap").values()
    assert config["data"].keys() <= SETTINGS


def test_routes_lead_to_the_api_and_cut_no_stream_off() -> None:
    """By Gateway API, and by the Ingress that may stand in its place."""
    folder = DEPLOY / "k8s" / "overlays" / "prod"
    (rule,) = yaml.safe_load((folder / "route.yaml").read_text())["spec"]["rules"]
    ingress = yaml.safe_load((folder / "ingress.yaml").read_text())
    (service,) = [
        manifest
        for manifest in yaml.safe_load_all((DEPLOY / "k8s" / "base" / "api.yaml").read_text())
        if manifest["kind"] == "Service"
    ]
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert rule["backendRefs"] == [{"name": name, "port": port["port"]}]
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": name, "port": {"name": port["name"]}}
    for version in KUBERNETES:
        kubernetes_validate.validate(ingress, version, strict=True)


# Docker Compose


@pytest.fixture(scope="module")
def compose() -> Manifest:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_compose_runs_the_four_services(compose: Manifest) -> None:
    assert compose["name"] == "hopstream"
    assert compose["services"].keys() == {"api", "worker", "rabbitmq", "postgres"}
    assert compose["services"]["rabbitmq"]["image"].startswith("rabbitmq:4")


def test_compose_runs_any_number_of_workers(compose: Manifest) -> None:
    assert not {"container_name", "hostname", "ports"} & compose["services"]["worker"].keys()
    assert seconds(compose["services"]["worker"]["stop_grace_period"]) > LONGEST_TURN


def test_compose_starts_the_services_in_order(compose: Manifest) -> None:
    for name in ("api", "worker"):
        for dependency, waits in compose["services"][name]["depends_on"].items():
            assert waits == {"condition": "service_healthy"}
            assert compose["services"][dependency]["healthcheck"]["test"]


def test_compose_keeps_the_data_in_named_volumes(compose: Manifest) -> None:
    for name in ("rabbitmq", "postgres"):
        (volume,) = compose["services"][name]["volumes"]
        assert volume.partition(":")[0] in compose["volumes"]


def test_every_variable_of_compose_is_a_setting(compose: Manifest) -> None:
    interpolated = set(re.findall(r"(?<!\$)\$\{(\w+)", json.dumps(compose)))
    assert interpolated == {"API_HOST", "API_PORT"}
    passed = {line for line in (DEPLOY / "compose.env").read_text().splitlines() if not line.startswith("#")}
    assert {"ENV", "API_KEYS"} <= passed
    pinned = compose["services"]["worker"]["environment"].keys()
    assert interpolated | passed | pinned <= SETTINGS
    assert not passed & pinned


# The image


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


@pytest.mark.parametrize(
    ("word", "asked_ports"), [("api", ["API"]), ("worker", ["WORKER"]), ("", ["API", "WORKER"]), ("celery", [])]
)
@pytest.mark.parametrize("status", [HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_the_image_checks_the_health_of_what_it_runs(
    monkeypatch: pytest.MonkeyPatch, word: str, asked_ports: list[str], status: HTTPStatus
) -> None:
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.server, self.path))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the answer is what counts."""

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Health) as api,
        ThreadingHTTPServer(("127.0.0.1", 0), Health) as worker,
    ):
        monkeypatch.setenv("API_PORT", str(api.server_port))
        monkeypatch.setenv("WORKER_HEALTH_PORT", str(worker.server_port))
        for server in (api, worker):
            Thread(target=server.serve_forever).start()
        try:
            command = ["tini", "--", healthcheck.ENTRYPOINT, *filter(None, [word])]
            with nullcontext() if status is HTTPStatus.OK or not asked_ports else pytest.raises(OSError):
                healthcheck.check(healthcheck.started_as(command))
        finally:
            for server in (api, worker):
                server.shutdown()
        servers = {"API": api, "WORKER": worker}
        expected = asked_ports if status is HTTPStatus.OK else asked_ports[:1]
        assert asked == [(servers[name], "/health") for name in expected]


def test_a_worker_without_a_health_port_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_HEALTH_PORT", "0")
    healthcheck.check("worker")


def test_a_container_of_another_image_s_making_is_not_asked() -> None:
    assert healthcheck.started_as(["python", "-i"]) == ""


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


def programs(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which each named program only prints its process id and how it was called."""
    for name in names:
        program = folder / name
        program.write_text('#!/bin/sh\necho "$$" "${0##*/}" "$@"\n')
        program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["api"], "uvicorn api.app:app --host 0.0.0.0 --port 8007"),
        (["worker", "--concurrency", "50"], "celery -A workers.app worker --concurrency 50"),
        (["celery", "report"], "celery report"),
    ],
)
def test_the_entrypoint_becomes_the_program(tmp_path: Path, words: list[str], command: str) -> None:
    environment = programs(tmp_path, "uvicorn", "celery")
    with subprocess.Popen([ENTRYPOINT, *words], env=environment, stdout=subprocess.PIPE, text=True) as process:
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert printed.startswith(f"{process.pid} {command}")


RUNS_UNTIL_TERM = """#!/bin/bash
trap 'kill $!; echo "${0##*/} ended"; exit 0' TERM
echo "${0##*/} runs"
sleep infinity >/dev/null &
wait
"""
"""Ends in order, and only when it is asked to."""


@pytest.fixture
def both(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The entrypoint with neither word, and what it starts."""
    for name in ("uvicorn", "celery"):
        (tmp_path / name).write_text(RUNS_UNTIL_TERM)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen([ENTRYPOINT], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert {process.stdout.readline().strip() for _ in range(2)} == {"uvicorn runs", "celery runs"}
        yield process
        process.kill()


def test_without_a_word_both_run_and_both_end_in_order(both: subprocess.Popen[str]) -> None:
    both.terminate()
    printed, _ = both.communicate(timeout=PATIENCE_SECONDS)
    assert sorted(printed.split("\n")) == ["", "celery ended", "uvicorn ended"]


def test_whichever_ends_takes_the_other_along(both: subprocess.Popen[str]) -> None:
    children = {process.name(): process for process in psutil.Process(both.pid).children()}
    children["celery"].kill()
    printed, _ = both.communicate(timeout=PATIENCE_SECONDS)
    assert (printed, both.returncode) == ("uvicorn ended\n", 128 + signal.SIGKILL)


def test_descriptors_are_as_many_as_the_host_allows(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))

    command = [str(ENTRYPOINT), "bash", "-c", "ulimit -Sn; ulimit -Hn"]
    printed = subprocess.check_output(command, preexec_fn=limited, text=True)
    assert printed == "4096\n4096\n"
