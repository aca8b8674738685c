"""TOOLS_FILE: what it can say, and how faults in it are told."""

import re
from pathlib import Path

import pytest

from core.settings import Settings
from core.tools.base import ToolCallContext
from core.tools.file import ServerTable, ToolTable, read_tools
from core.tools.toolbox import Toolbox

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "tools.example.toml"


def test_the_example_of_tools_shows_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIKI_TOKEN", "t0ken")
    file = read_tools(EXAMPLE)
    assert {field for table in file.tools.values() for field in table.model_fields_set} == set(ToolTable.model_fields)
    servers = file.servers
    assert {field for table in servers.values() for field in table.model_fields_set} == set(ServerTable.model_fields)
    assert servers["wiki"].filled_headers() == {"Authorization": "Bearer t0ken"}
    assert servers["files"].folder == Path("data/tools/files")
    monkeypatch.setenv("TOOLS_FILE", str(EXAMPLE))
    assert [name for name, _ in Toolbox(Settings()).listed("alice")] == [
        "current_time",
        "sums",
        "weather",
        "wiki_search",
        "wiki_read_page",
        "files_read_file",
    ]


SERVER = '[servers.web]\nurl = "http://h/mcp"\n'
COMMAND = '[servers.web]\ncommand = ["server"]\n'


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[tools.a\n", ["(at line 1, column "]),
        ("[tool.a]\n", ["[tool] Extra inputs are not permitted"]),
        ("tools = 3\n", ["[tools] Input should be a valid dictionary"]),
        ("[tools.a]\n", ["[tools.a] it needs either builtin or python"]),
        ('[tools.a]\nbuiltin = "calculator"\npython = "a:b"\n', ["[tools.a] it needs either builtin or python"]),
        ('[tools.a]\nbuiltin = "shell"\n', ["[tools.a] builtin: Input should be 'current_time' or 'calculator'"]),
        ('[tools.a]\npython = "a:b:c"\n', ["[tools.a] python: String should match"]),
        ('[tools.a]\npython = "a b"\n', ["[tools.a] python: String should match"]),
        ('[tools.a]\npython = "a:b"\nidempotent = "yes"\n', ["[tools.a] idempotent: Input should be a valid boolean"]),
        ('[tools.a]\npython = "a:b"\nkeys = []\n', ["[tools.a] keys: List should have at least 1 item"]),
        ('[tools.a]\npython = "a:b"\nkeys = ["a b"]\n', ["[tools.a] keys.0: String should match"]),
        ('[tools.a]\npython = "a:b"\nsecret = 1\n', ["[tools.a] secret: Extra inputs are not permitted"]),
        ('[tools."a b"]\npython = "a:b"\n', ["[tools.a b] a name has 1 to 64 letters, digits, _ and -"]),
        (f"[tools.{'a' * 65}]\npython = 'a:b'\n", ["a name has 1 to 64 letters"]),
        ('[servers.web]\ntools = ["a"]\n', ["[servers.web] it needs either url or command"]),
        (f'{SERVER}command = ["x"]\ntools = ["a"]\n', ["[servers.web] it needs either url or command"]),
        (SERVER, ["[servers.web] tools: Field required"]),
        (f"{SERVER}tools = []\n", ["[servers.web] tools: List should have at least 1 item"]),
        (f'{SERVER}tools = ["a.b"]\n', ["[servers.web] tools: 'web_a.b' is no name: 1 to 64 letters"]),
        (f'{SERVER}tools = ["a", "a"]\n', ["[servers.web] tools: there are two tools 'web_a'"]),
        (
            f'[tools.web_a]\nbuiltin = "calculator"\n{SERVER}tools = ["a"]\n',
            ["[servers.web] tools: there are two tools 'web_a'"],
        ),
        (f'{SERVER}tools = ["a"]\nidempotent = ["b"]\n', ["[servers.web] idempotent names what tools does not: b"]),
        (f'{SERVER}tools = ["a"]\nfolder = "x"\n', ["[servers.web] environment and folder go with a command"]),
        (f'{SERVER}tools = ["a"]\nenvironment = ["X"]\n', ["[servers.web] environment and folder go with a command"]),
        ('[servers.web]\nurl = "ftp://h"\ntools = ["a"]\n', ["[servers.web] url: must start with http:// or https://"]),
        (
            f'{SERVER}tools = ["a"]\nheaders = {{ X = "env:NO_SUCH_VARIABLE" }}\n',
            ["[servers.web] headers.X: the variable NO_SUCH_VARIABLE is not set, neither in the environment nor in"],
        ),
        (f'{COMMAND}tools = ["a"]\nheaders = {{ X = "y" }}\n', ["[servers.web] headers go with a url"]),
        ('[servers.web]\ncommand = []\ntools = ["a"]\n', ["[servers.web] command: List should have at least 1 item"]),
        (f'{COMMAND}tools = ["a"]\nenvironment = ["A=B"]\n', ["[servers.web] environment.0: String should match"]),
        (
            f'{COMMAND}tools = ["a"]\nenvironment = ["PATH", "OPENAI_API_KEY", "database_url"]\n',
            [
                "[servers.web] environment: OPENAI_API_KEY is a setting of Hopstream's, which no server gets",
                "[servers.web] environment: database_url is a setting of Hopstream's, which no server gets",
            ],
        ),
    ],
)
def test_a_bad_file_of_tools_is_refused_table_by_table(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = tmp_path / "tools.toml"
    path.write_text(text)
    with pytest.raises(SystemExit) as raised:
        read_tools(path)
    first, *told = str(raised.value).splitlines()
    assert first == f"TOOLS_FILE {path} cannot be used:"
    assert len(told) == len(faults), told
    assert all(fault in line for fault, line in zip(faults, told, strict=True)), told


def test_a_file_of_tools_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "tools.toml"
    path.write_bytes(b"# \xff\n")
    with pytest.raises(SystemExit, match="cannot be used"):
        read_tools(path)


def test_a_secret_is_told_in_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "very-secret")
    path = tmp_path / "tools.toml"
    path.write_text(f'{SERVER}headers = {{ X = "env:TOKEN env:TYPO" }}\ntools = 3\n')
    with pytest.raises(SystemExit) as raised:
        read_tools(path)
    assert "very-secret" not in str(raised.value)


def test_variables_of_the_env_file_count(monkeypatch: pytest.MonkeyPatch, in_tmp_path: Path) -> None:
    Path(".env").write_text("TOKEN=from-env-file\n")
    Path("tools.toml").write_text(f'{SERVER}headers = {{ X = "env:TOKEN", Y = "my-env:TOKEN" }}\ntools = ["a"]\n')
    headers = read_tools(Path("tools.toml")).servers["web"].filled_headers()
    assert headers == {"X": "from-env-file", "Y": "my-from-env-file"}


@pytest.fixture
def documented(monkeypatch: pytest.MonkeyPatch, in_tmp_path: Path) -> Toolbox:
    """What docs/tools.md shows, its module among it."""
    docs = (ROOT / "docs" / "tools.md").read_text()
    (python,) = re.findall(r"```python\n(.*?)```", docs, re.DOTALL)
    tables = re.findall(r"```toml\n(\[(?:tools|servers)\..*?)```", docs, re.DOTALL)
    Path("tools.toml").write_text("\n".join(tables).replace("my_package.tools", "documented_tool"))
    Path("documented_tool.py").write_text(python)
    monkeypatch.syspath_prepend(in_tmp_path)
    monkeypatch.setenv("WIKI_TOKEN", "t0ken")
    return Toolbox(Settings(tools_file=Path("tools.toml")))


@pytest.mark.anyio
async def test_what_the_docs_show_works(documented: Toolbox) -> None:
    names = [name for name, _ in documented.listed(None)]
    assert names == ["weather", "wiki_search", "wiki_read_page", "files_read_file"]
    (spec,) = await documented.specs(["weather"])
    assert spec.parameters["properties"] == {
        "city": {"description": "In English.", "type": "string"},
        "days": {"default": 1, "type": "integer"},
    }
    weather = documented.tool("weather")
    assert weather is not None
    output = await weather.call({"city": "Rome"}, ToolCallContext("s", 1, 1, 1))
    assert output.content == '{"city":"Rome","weather":"fine"}'
