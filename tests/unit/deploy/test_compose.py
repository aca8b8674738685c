"""The services of Docker Compose."""

import json
import re

from tests.unit.deploy.files import DEPLOY, LONGEST_TURN, SETTINGS, Manifest


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
