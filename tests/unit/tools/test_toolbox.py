"""The toolbox: which tools there are, and who may use them."""

import subprocess
import sys
from pathlib import Path

import pytest

from core import extras
from core.settings import Settings
from core.tools.base import ToolCallContext
from core.tools.toolbox import Toolbox

FILE = """
[tools.sums]
builtin = "calculator"

[tools.weather]
python = "tests.unit.tools.functions:weather"
idempotent = true
keys = ["alice", "bob"]

[tools.risky]
python = "no_such_package:f"
keys = ["bob"]

[servers.web]
url = "http://127.0.0.1:1/mcp"
tools = ["search", "buy"]
idempotent = ["search"]
keys = ["alice"]
"""


@pytest.fixture
def toolbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolbox:
    (tmp_path / "tools.toml").write_text(FILE)
    monkeypatch.setenv("TOOLS_FILE", str(tmp_path / "tools.toml"))
    return Toolbox(Settings())


@pytest.mark.anyio
async def test_without_a_file_the_built_ins_are_there(settings: Settings) -> None:
    toolbox = Toolbox(settings)
    assert [name for name, description in toolbox.listed("anybody") if description] == ["current_time", "calculator"]
    specs = await toolbox.specs(["calculator", "current_time"])
    assert [spec.name for spec in specs] == ["calculator", "current_time"]
    assert all(spec.description and spec.parameters["type"] == "object" for spec in specs)
    tools = [toolbox.tool(name) for name in ("calculator", "current_time")]
    assert all(tool and tool.idempotent for tool in tools)


def test_a_key_sees_what_it_may_use(toolbox: Toolbox) -> None:
    names = {key: [name for name, _ in toolbox.listed(key)] for key in ("alice", "bob", None)}
    assert names == {
        "alice": ["sums", "weather", "web_search", "web_buy"],
        "bob": ["sums", "weather", "risky"],
        None: ["sums"],
    }


def test_names_are_allowed_in_their_order(toolbox: Toolbox) -> None:
    assert toolbox.allowed(["risky", "web_buy", "nope", "sums"], "alice") == ["web_buy", "sums"]
    assert toolbox.allowed(["risky", "web_buy", "nope", "sums"], "bob") == ["risky", "sums"]


def test_what_may_be_called_twice(toolbox: Toolbox) -> None:
    names = ("sums", "weather", "risky", "web_search", "web_buy")
    tools = {name: toolbox.tool(name) for name in names}
    assert {name: tool.idempotent for name, tool in tools.items() if tool} == {
        "sums": True,
        "weather": True,
        "risky": False,
        "web_search": True,
        "web_buy": False,
    }
    assert toolbox.tool("nope") is None


@pytest.mark.anyio
async def test_specs_leave_out_what_is_not_to_be_had(toolbox: Toolbox) -> None:
    specs = await toolbox.specs(["weather", "risky", "nope", "sums"])
    assert [spec.name for spec in specs] == ["weather", "sums"]


@pytest.mark.anyio
async def test_a_built_in_under_another_name(toolbox: Toolbox) -> None:
    tool = toolbox.tool("sums")
    assert tool is not None
    assert (await tool.call({"expression": "1 + 1"}, ToolCallContext("s", 1, 1, 1))).content == "2"


def test_a_file_with_servers_needs_their_package(monkeypatch: pytest.MonkeyPatch, toolbox: Toolbox) -> None:
    monkeypatch.setitem(extras.EXTRAS, "mcp", "no.such_package")
    with pytest.raises(SystemExit, match=r"TOOLS_FILE: .*pip install -r requirements-mcp.txt"):
        Toolbox(Settings())


@pytest.mark.anyio
async def test_a_toolbox_that_was_never_used_closes(toolbox: Toolbox) -> None:
    await toolbox.close()
    await toolbox.close()


LATER = {"mcp", "mcp_types", "httpx2", "anyio", "jsonschema", "core.tools.function", "core.tools.builtin.calculator"}


def test_what_tools_need_is_loaded_later(tmp_path: Path) -> None:
    (tmp_path / "tools.toml").write_text(FILE)
    code = (
        "import sys, core.settings; before = set(sys.modules)\n"
        "from core.tools.toolbox import Toolbox; toolbox = Toolbox(core.settings.Settings())\n"
        "toolbox.listed('alice'); print(*set(sys.modules) - before)"
    )
    command = [sys.executable, "-c", code]
    environment = {"TOOLS_FILE": str(tmp_path / "tools.toml")}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    loaded = set(ran.stdout.split())
    assert "core.tools.toolbox" in loaded
    assert LATER.isdisjoint(loaded)
