"""The services of Docker Compose that another stack includes."""

import json
import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
import yaml

from core.settings import Settings
from core.tools.toolbox import FOLDERS
from tests.unit.deploy.files import DEPLOY, ENTRYPOINT, SETTINGS, Manifest
from workers.replacement import HAND_OVER_SECONDS

NAME = "streaming-llm"
BROKER = f"{NAME}-rabbitmq"


@pytest.fixture(scope="module")
def fragment() -> Manifest:
    return dict(yaml.safe_load((DEPLOY / "agents.compose.yaml").read_text()))


@pytest.fixture
def sidecar(fragment: Manifest) -> Manifest:
    return dict(fragment["services"][NAME])


@pytest.fixture
def broker(fragment: Manifest, compose: Manifest) -> Manifest:
    """With what it extends."""
    own = fragment["services"][BROKER]
    assert own["extends"] == {"file": "compose.yaml", "service": "rabbitmq"}
    return {**compose["services"]["rabbitmq"], **own}


def test_no_name_is_one_that_an_including_stack_may_have(fragment: Manifest, broker: Manifest) -> None:
    assert fragment["services"].keys() == {NAME, BROKER}
    for kind in ("volumes", "networks"):
        assert all(name.startswith(NAME) for name in fragment[kind])
    assert broker["hostname"] == BROKER
    assert "ports" not in broker


def test_the_sidecar_finds_its_own_broker_where_nobody_else_does(
    fragment: Manifest, sidecar: Manifest, broker: Manifest
) -> None:
    address = urlsplit(sidecar["environment"]["RABBIT_MQ"])
    login = broker["environment"]
    assert (address.hostname, address.username, address.password) == (
        BROKER,
        login["RABBITMQ_DEFAULT_USER"],
        login["RABBITMQ_DEFAULT_PASS"],
    )
    assert sidecar["depends_on"] == {BROKER: {"condition": "service_healthy"}}
    assert broker["networks"] == [*fragment["networks"]]
    assert sidecar["networks"] == ["default", *fragment["networks"]]


def test_the_sidecar_is_set_up_as_the_api_of_the_whole_stack_is(sidecar: Manifest, compose: Manifest) -> None:
    api = compose["services"]["api"]
    shared = api.keys() - {"command", "environment", "depends_on", "ports", "stop_grace_period"}
    assert {"read_only", "cap_drop", "env_file", "build"} <= shared
    assert {name: sidecar[name] for name in shared} == {name: api[name] for name in shared}
    assert sidecar["command"] == ["all"]


def test_only_this_machine_reaches_the_port_which_is_one_setting(fragment: Manifest, sidecar: Manifest) -> None:
    assert sidecar["ports"] == [f"127.0.0.1:${{STREAMING_LLM_PORT:-8007}}:{sidecar['environment']['API_PORT']}"]
    assert re.findall(r"(?<!\$)\$\{(\w+)", json.dumps(fragment)) == ["STREAMING_LLM_PORT"]


def test_what_the_sidecar_sets_is_not_taken_from_elsewhere(sidecar: Manifest) -> None:
    passed = (DEPLOY / "compose.env").read_text().splitlines()
    assert sidecar["environment"].keys() <= SETTINGS - {*passed}


def test_all_that_the_sidecar_keeps_is_in_its_volume(fragment: Manifest, sidecar: Manifest, broker: Manifest) -> None:
    volume, _, folder = sidecar["volumes"][0].partition(":")
    environment = sidecar["environment"]
    database = environment["DATABASE_URL"].removeprefix("sqlite:///")
    for kept in (database, environment["AGENTS_DIR"], FOLDERS):
        assert PurePosixPath("/app", kept).is_relative_to(folder)
    assert {volume, broker["volumes"][0].partition(":")[0]} == fragment["volumes"].keys()


def test_the_sidecar_has_time_to_end(sidecar: Manifest) -> None:
    grace = int(sidecar["stop_grace_period"].removesuffix("s"))
    closing = re.search(r"--timeout-graceful-shutdown (\d+)", ENTRYPOINT.read_text())
    assert closing
    assert max(int(closing[1]), Settings.model_fields["shutdown_grace"].default + HAND_OVER_SECONDS) < grace
