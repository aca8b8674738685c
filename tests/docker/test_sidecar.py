"""deploy/agents.compose.yaml, included by another stack and by itself.

That stack has one service of its own. It is called `rabbitmq` and is none: it is the model, the mock upstream in a
container of the image, and it is from there that the sidecar is asked by its name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import relpath
from pathlib import Path
from time import monotonic
from typing import Any, Self

import httpx
import pytest

from bench.processes import free_port
from tests.client import numbered
from tests.docker.engine import run, unique
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT

pytestmark = pytest.mark.timeout(900)

TOKENS = 3
PROMPT = "You are Reviewer, a precise PR reviewer."
INCLUDING = """\
include:
  - path: [{fragment}, sidecar.yaml]
services:
  rabbitmq:
    image: {image}
    pull_policy: never
    user: root # who alone may read what pytest has laid down
    command: [python, -m, bench.mock_upstream, --host, 0.0.0.0, --rate, "0", --ttft, "0"]
    volumes: ["{checkout}/bench:/app/bench:ro", "{checkout}/tests:/app/tests:ro"]
    depends_on:
      streaming-llm:
        condition: service_healthy
"""
OVERRIDE = """\
services:
  streaming-llm:
    image: {image}
    build:
      network: host
    environment:
      TOOLS_FILE: /app/tools.toml
    volumes: ["{folder}/tools.toml:/app/tools.toml:ro", "{folder}/mcp_server.py:/app/mcp_server.py:ro"]
"""
TOOLS = """\
[servers.command]
command = ["python", "/app/mcp_server.py"]
tools = ["surroundings"]
"""

Frame = dict[str, Any]


class Sidecar:
    """In a project of its own, of the `files` or of what Compose finds in the folder."""

    def __init__(self, folder: Path, image: str, *files: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._files = [word for file in files for word in ("--file", str(file))]
        self._environment = {"COMPOSE_PROJECT_NAME": unique("sidecar"), "STREAMING_LLM_PORT": str(self.port)}
        (folder / "sidecar.yaml").write_text(OVERRIDE.format(image=image, folder=folder))
        (folder / "tools.toml").write_text(TOOLS)
        (folder / "mcp_server.py").write_text((ROOT / "tests" / "mcp_server.py").read_text())

    def compose(self, *words: str) -> str:
        return run("docker", "compose", *self._files, *words, cwd=self._folder, **self._environment)

    @contextmanager
    def up(self) -> Iterator[Self]:
        try:
            self.compose("up", "--wait")
            yield self
        finally:
            self.compose("down", "--volumes")

    def ask_from_beside(self, *words: str) -> Any:
        return json.loads(self.compose("exec", "-T", "rabbitmq", "python", "-m", "tests.docker.neighbour", *words))

    def put_agent(self, agent_id: str, script: str = "", **members: Any) -> Any:
        agent = {"name": "Reviewer", "system_prompt": PROMPT, "model": f"mock?tokens={TOKENS}{script}", **members}
        return self.ask_from_beside("put", f"http://streaming-llm:8007/agents/{agent_id}", json.dumps(agent))

    def converse(self, agent_id: str, message: str, **handshake: str) -> list[Frame]:
        frames = ({"agentId": agent_id, "protocol": 1, **handshake}, {"message": message})
        words = ("converse", "ws://streaming-llm:8007/ws/chat", *map(json.dumps, frames))
        return list(self.ask_from_beside(*words))

    def last_prompt(self) -> list[tuple[str, str]]:
        """What the model was asked, by roles."""
        messages = self.ask_from_beside("get", "http://localhost:9000/stats")["last_request"]["messages"]
        return [(message["role"], message["content"]) for message in messages]


def text_of(told: list[Frame]) -> str:
    return "".join(frame["token"] for frame in told if frame["type"] == "token")


def tool_result_of(told: list[Frame]) -> str:
    payloads = [frame["payload"] for frame in told if frame["type"] == "tool"]
    return "".join(payload["output"] for payload in payloads if payload["phase"] == "result")


@pytest.fixture(scope="module")
def sidecar(checkout: Path, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("including")
    fragment = relpath(checkout / "deploy" / "agents.compose.yaml", folder)
    including = INCLUDING.format(fragment=fragment, checkout=checkout, image=image)
    (folder / "compose.yaml").write_text(including)
    (folder / ".env").write_text("OPENAI_API_KEY=test-key\nOPENAI_BASE_URL=http://rabbitmq:9000/v1\n")
    with Sidecar(folder, image).up() as sidecar:
        yield sidecar


def test_a_service_beside_it_asks_by_its_name(sidecar: Sidecar) -> None:
    sidecar.put_agent("reviewer")
    assert text_of(sidecar.converse("reviewer", "Hello")) == numbered(TOKENS)
    assert sidecar.last_prompt() == [("system", PROMPT), ("user", "Hello")]


def test_agents_and_conversations_outlive_the_containers(sidecar: Sidecar) -> None:
    agent = sidecar.put_agent("keeper")
    ready, *_ = sidecar.converse("keeper", "Hello")
    sidecar.compose("down")
    sidecar.compose("up", "--wait")
    assert sidecar.ask_from_beside("get", "http://streaming-llm:8007/agents/keeper") == agent
    sidecar.converse("keeper", "And now?", conversationId=ready["conversationId"])
    assert sidecar.last_prompt()[1:] == [("user", "Hello"), ("assistant", numbered(TOKENS)), ("user", "And now?")]


def test_a_tool_has_a_folder_though_the_root_is_read_only(sidecar: Sidecar) -> None:
    with pytest.raises(AssertionError, match="Read-only file system"):
        sidecar.compose("exec", "-T", "streaming-llm", "touch", "/app/anything")
    sidecar.put_agent("clerk", "&tools=1&steps=1", tools=["command_surroundings"])
    patience = monotonic() + PATIENCE_SECONDS
    while '"folder"' not in (result := tool_result_of(sidecar.converse("clerk", "Where are you?"))):
        assert monotonic() < patience, result  # for its server, which a turn waits for no longer than ten seconds
    assert json.loads(result)["folder"] == "/app/data/tools/command"


def test_it_runs_by_itself_for_this_machine_alone(checkout: Path, image: str, tmp_path: Path) -> None:
    fragment = checkout / "deploy" / "agents.compose.yaml"
    with Sidecar(tmp_path, image, fragment, tmp_path / "sidecar.yaml").up() as sidecar:
        assert sidecar.compose("port", "streaming-llm", "8007") == f"127.0.0.1:{sidecar.port}\n"
        with httpx.Client(base_url=f"http://127.0.0.1:{sidecar.port}", timeout=PATIENCE_SECONDS) as http:
            agents = http.get("/agents").json()["agents"]
            assert [agent["id"] for agent in agents] == ["planner", "researcher"]
            question = {"message": "Bonjour !", "agent_id": "planner"}
            assert "Bonjour" in http.post("/chat", json=question, headers={"Accept": "text/plain"}).text
