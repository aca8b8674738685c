"""The overlays of Kubernetes render, validate against its schemas and agree with the settings."""

import os
import re
import shutil
import subprocess
from functools import cache

import kubernetes_validate
import pytest
import yaml

from tests.patience import PATIENCE_SECONDS
from tests.unit.deploy.files import (
    DEPLOY,
    DEPLOYMENTS,
    ENTRYPOINT,
    LONGEST_TURN,
    SETTINGS,
    Manifest,
    container_of,
    of_kind,
    pod_of,
)
from workers.replacement import HAND_OVER_SECONDS

KUBERNETES = ("1.29", kubernetes_validate.latest_version())
OVERLAYS = ("dev", "prod")


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
