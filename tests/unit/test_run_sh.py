"""run.sh as far as it can be tested without installing or starting anything; `./run.sh smoke` in CI tests the rest."""

import http.server
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.parts import require
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "run.sh", ROOT / ".ci/run", *sorted((ROOT / "deploy/native").glob("*.sh"))]


class Tree:
    """A copy of the scripts, so that no test sees or touches the repository's own .env, data/ and .venv."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(path), "LANG": "C.UTF-8"}
        shutil.copy(ROOT / "run.sh", path)
        shutil.copytree(ROOT / "deploy/native", path / "deploy/native")

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self._bash(str(self.path / "run.sh"), *arguments, cwd=cwd)

    def call(self, code: str) -> subprocess.CompletedProcess[str]:
        """Bash code that may use every function of run.sh."""
        return self._bash("-c", f"source ./run.sh\nVENV='{sys.prefix}'\n{code}")

    def _bash(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", *arguments],
            cwd=cwd or self.path,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


UNIT, OTHERS = "tests/unit", "--ignore=tests/unit"
"""Words that the two halves of the suite are started with."""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_bash_can_parse_it(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)


def test_shellcheck_has_no_complaint() -> None:
    require(shutil.which("shellcheck"), "shellcheck is not installed")
    command = ["shellcheck", "-x", "run.sh", ".ci/run"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_what_people_run_is_executable() -> None:
    assert all(script.stat().st_mode & 0o111 for script in (ROOT / "run.sh", ROOT / ".ci/run"))


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_usage_names_every_command(tree: Tree, arguments: list[str]) -> None:
    usage = tree.run(*arguments)
    assert usage.returncode == 0
    for command in ("setup", "start", "stop", "restart", "status", "worker N", "logs", "shell", "smoke", "test"):
        assert f"./run.sh {command}" in usage.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["strat"], "Unknown command 'strat'"),
        (["start", "now"], "'start' takes no arguments"),
        (["worker"], "'worker' takes a number"),
        (["worker", "-1"], "'worker' takes a number"),
        (["worker", "two"], "'worker' takes a number"),
        (["logs", "nginx"], "not of 'nginx'"),
    ],
)
def test_misuse_is_explained_and_exits_2(tree: Tree, arguments: list[str], complaint: str) -> None:
    tree.variables["MODE"] = "native"
    misuse = tree.run(*arguments)
    assert misuse.returncode == 2
    assert complaint in misuse.stderr.splitlines()[0]


def test_an_unknown_mode_is_refused(tree: Tree) -> None:
    tree.variables["MODE"] = "podman"
    assert "MODE is native or docker, not 'podman'" in tree.run("status").stderr


def test_it_works_from_any_directory_and_leaves_nothing_by_looking(tree: Tree) -> None:
    tree.variables["MODE"] = "native"
    status = tree.run("status", cwd=Path("/"))
    assert (status.returncode, status.stderr) == (3, "")
    assert "Hopstream is not running" in status.stdout
    assert not (tree.path / "data").exists()


def test_stop_is_idempotent(tree: Tree) -> None:
    tree.variables["MODE"] = "native"
    stop = tree.run("stop")
    assert (stop.returncode, stop.stdout) == (0, "stopped   nothing was running\n")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("RABBIT_MQ=amqp://host/", "amqp://host/"),
        ("RABBIT_MQ=amqp://host/\r", "amqp://host/"),
        ('export RABBIT_MQ = "amqp://host/#1" # ours\r', "amqp://host/#1"),
        ("RABBIT_MQ='amqp://host/'", "amqp://host/"),
        ("RABBIT_MQ=amqp://host/ # ours", "amqp://host/"),
        ("RABBIT_MQ=old\nRABBIT_MQ=new", "new"),
        ("RABBIT_MQ=", "default"),
        ("RABBIT_MQ= # none", "default"),
        ("# RABBIT_MQ=amqp://host/", "default"),
        ("MY_RABBIT_MQ=amqp://host/", "default"),
    ],
)
def test_settings_come_from_dotenv(tree: Tree, line: str, value: str) -> None:
    (tree.path / ".env").write_text(line, newline="")
    assert tree.call("setting RABBIT_MQ default").stdout == value


def test_the_environment_goes_before_dotenv(tree: Tree) -> None:
    (tree.path / ".env").write_text("API_PORT=8008\n")
    tree.variables["API_PORT"] = "8009\r"
    tree.variables["API_HOST"] = "0.0.0.0"
    assert tree.call("api_url").stdout == "http://localhost:8009/"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://me:secret@host:5672/v", "amqp://host:5672/v"),
        ("amqps://host/", "amqps://host/"),
        ("amqp://me:se/cr@t@host/", "amqp://host/"),
        ("AMQP://me:secret@host/", "AMQP://host/"),
        ("amqp:/me:secret@host/", "host/"),
        ("me:secret@host/", "host/"),
    ],
)
def test_passwords_are_not_shown(tree: Tree, url: str, shown: str) -> None:
    assert tree.call(f"without_password '{url}'").stdout == shown


@pytest.mark.parametrize(
    ("url", "default"),
    [
        ("amqp://guest:guest@localhost/", True),
        ("amqp://guest:guest@127.0.0.1:5672/%2F", True),
        ("amqp://guest:guest@localhost:5673/", False),
        ("amqp://me:secret@localhost/", False),
        ("amqp://guest:guest@broker/", False),
    ],
)
def test_only_the_default_url_lets_us_choose_a_broker(tree: Tree, url: str, default: bool) -> None:
    assert (tree.call(f"is_default_broker '{url}'").returncode == 0) is default


def test_a_broker_that_does_not_answer_is_named_without_its_password(tree: Tree, free_port: int) -> None:
    tree.variables["RABBIT_MQ"] = f"amqp://me:secret@127.0.0.1:{free_port}/"
    chosen = tree.call("BROKER_ANSWER_SECONDS=0\nchoose_broker")
    assert chosen.returncode == 1
    assert f"RABBIT_MQ is amqp://127.0.0.1:{free_port}/, but there RabbitMQ cannot be reached" in chosen.stderr
    assert "secret" not in chosen.stderr


def test_a_broker_of_a_mistyped_scheme_is_named_without_its_password(tree: Tree) -> None:
    tree.variables["RABBIT_MQ"] = "ampq://me:secret@host/"
    chosen = tree.call("choose_broker")
    assert chosen.returncode == 1
    assert "must start with amqp:// or amqps://, not as ampq://host/ does" in chosen.stderr
    assert "secret" not in chosen.stderr


def test_the_process_list_does_not_show_the_password(tree: Tree, free_port: int) -> None:
    python = tree.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$*" >>arguments\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    tree.variables["RABBIT_MQ"] = f"amqp://me:secret@127.0.0.1:{free_port}/"
    chosen = tree.call("VENV=.venv; BROKER_ANSWER_SECONDS=0\nchoose_broker")
    assert "RabbitMQ cannot be reached" in chosen.stderr
    assert (tree.path / "arguments").read_text() == "-W ignore deploy/native/probe.py amqp 0\n"


# Of a stack on our own RabbitMQ, on $port, the API and a worker live on. RabbitMQ is a script that answers by a word.
BROKER_DIED = """
setup() { make_data; }
rabbitmq_program() { echo "$1"; }
eval "asked_$(declare -f probe)"
probe() { if [[ $1 == amqp ]]; then broker_answers; else asked_probe "$@"; fi; }
broker_answers() {
    while alive broker; do
        if grep -q started data/logs/broker.log; then return; fi
        sleep 0.05
    done
    return 1
}
trap 'native_stop >/dev/null' EXIT
make_data
spawn api sleep 600
spawn worker-1 sleep 600
echo 1 earlier-boot-1 >data/run/broker.pid
echo "amqp://guest:guest@localhost:$port/" | tee data/run/stack.broker >data/run/broker.url
"""


@pytest.fixture
def deserted(tree: Tree, free_port: int) -> Tree:
    tree.variables["port"] = str(free_port)
    tree.variables["PATH"] = f"{tree.path}:{tree.variables['PATH']}"
    for program in ("rabbitmq-server", "rabbitmqctl", "epmd"):
        (tree.path / program).write_text("#!/bin/sh\necho started\nexec sleep 600\n")
        (tree.path / program).chmod(0o755)
    return tree


def test_start_brings_back_our_own_broker_on_its_port(deserted: Tree, free_port: int) -> None:
    started = deserted.call(f"{BROKER_DIED}native_start\nalive broker && cat data/run/broker.url")
    assert started.returncode == 0, started.stderr
    assert "our own RabbitMQ ended unasked" in started.stderr
    assert f"our own RabbitMQ on localhost:{free_port} again" in started.stdout
    assert "Hopstream is already running" in started.stdout
    assert started.stdout.endswith(f"amqp://guest:guest@localhost:{free_port}/\n")
    assert f"RABBITMQ_NODE_PORT={free_port} " in (deserted.path / "data/rabbitmq/rabbitmqctl").read_text()


def test_further_workers_get_the_broker_that_was_brought_back(deserted: Tree, free_port: int) -> None:
    stubs = 'start_workers() { echo "worker on $RABBIT_MQ"; }; wait_for_health() { :; }'
    more = deserted.call(f"{BROKER_DIED}{stubs}\nnative_worker 2\nalive broker && echo it lives")
    assert f"worker on amqp://guest:guest@localhost:{free_port}/\n" in more.stdout
    assert more.stdout.endswith("it lives\n")


def test_a_dead_broker_whose_port_is_taken_is_told_until_it_is_solved(deserted: Tree, taken_port: int) -> None:
    deserted.variables["port"] = str(taken_port)
    started = deserted.call(f"{BROKER_DIED}(native_start) || true\nnative_start")
    assert started.returncode == 1
    assert started.stderr.count(f"its port {taken_port} is taken by") == 2
    assert "./run.sh restart" in started.stderr
    assert "already running" not in started.stdout


def test_a_broker_that_does_not_come_back_is_told_until_it_is_solved(deserted: Tree) -> None:
    (deserted.path / "rabbitmq-server").write_text("#!/bin/sh\nexit 1\n")
    started = deserted.call(f"{BROKER_DIED}(native_start) || true\nnative_start")
    assert started.returncode == 1
    assert started.stderr.count("API and workers are without RabbitMQ: our own RabbitMQ did not start") == 2
    assert "./run.sh restart" in started.stderr


def test_a_broker_from_before_a_reboot_is_not_missed(deserted: Tree) -> None:
    nothing_lives = "stop_processes 5 api worker-1\n"
    stubs = """
    choose_broker() { own_broker_is_missed || use_broker amqp://guest:guest@localhost:5672/ "another one"; }
    check_api_port() { :; }
    start_api() { spawn api sleep 600; }
    start_workers() { spawn worker-1 sleep 600; }
    wait_for_health() { :; }
    """
    started = deserted.call(f"{BROKER_DIED}{nothing_lives}{stubs}\nnative_start\nnative_start")
    assert "broker    another one" in started.stdout
    assert "Hopstream is already running" in started.stdout
    assert started.stderr == ""


def test_status_knows_its_own_broker_when_it_has_ended(deserted: Tree) -> None:
    status = deserted.call(f"{BROKER_DIED}native_status").stdout
    assert "broker    ended unasked" in status
    assert "not ours" not in status


PYTHONS = ("python", "python3", *(f"python3.{minor}" for minor in range(11, 15)))


@pytest.fixture
def pythons(tree: Tree) -> Callable[[str, str], Path]:
    """Puts a folder on the PATH, with a Python under all its names: a shell script of this text."""

    def put(name: str, script: str) -> Path:
        folder = tree.path / name
        folder.mkdir()
        for each in PYTHONS:
            (folder / each).write_text(f"#!/bin/sh\n{script}\n")
            (folder / each).chmod(0o755)
        tree.variables["PATH"] = f"{folder}:{tree.variables['PATH']}"
        return folder

    return put


def test_too_old_a_python_is_not_taken(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    pythons("old", "exit 1")
    setup = tree.call("VENV=.venv; SYSTEM_PYTHON=/nowhere/python3; setup")
    assert setup.returncode == 1
    assert "needs Python 3.11 or newer" in setup.stderr
    assert not (tree.path / ".venv").exists()


def _python(folder: str, config: str) -> str:
    """One that says so of itself, and is else the real one."""
    base = f'case "$*" in *_base_executable*) echo {folder}/python3; exit;; esac'
    return f'{base}\ncase "$*" in *CONFIG_ARGS*) exec {sys.executable} -c "{config}";; esac\nexec {sys.executable} "$@"'


OPTIMIZED, UNOPTIMIZED = "exit(0)", "exit(1)"


def test_an_optimized_python_goes_before_one_that_is_not(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    system = pythons("system", _python(f"{tree.path}/system", UNOPTIMIZED))
    first = pythons("first", _python(f"{tree.path}/first", UNOPTIMIZED))
    choose = f"SYSTEM_PYTHON={system}/python3; choose_python; echo $python"
    assert tree.call(choose).stdout == f"{system}/python3\n"
    tree.variables["PYTHON"] = f"{first}/python3"
    assert tree.call(choose).stdout == f"{first}/python3\n"


def test_an_optimized_python_on_the_path_is_taken(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    first = pythons("first", _python(f"{tree.path}/first", OPTIMIZED))
    assert tree.call("choose_python; echo $python").stdout == f"{first}/python3\n"


def test_one_without_optimizations_is_better_than_none(tree: Tree, pythons: Callable[[str, str], Path]) -> None:
    first = pythons("first", _python(f"{tree.path}/first", UNOPTIMIZED))
    chosen = tree.call("SYSTEM_PYTHON=/nowhere/python3; choose_python; echo $python")
    assert chosen.stdout == f"{first}/python3\n"
    assert "was built without optimizations" in chosen.stderr


def test_requirements_are_installed_once_and_again_when_they_change(tree: Tree) -> None:
    python = tree.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$*" >>calls\n')
    python.chmod(0o755)
    install = "VENV=.venv; make_data; install_requirements requirements.txt"
    for requirements in ("a==1", "a==1", "a==2"):
        (tree.path / "requirements.txt").write_text(requirements)
        assert tree.call(install).returncode == 0
    assert len((tree.path / "calls").read_text().splitlines()) == 2


def test_a_failed_installation_is_told_and_tried_again(tree: Tree) -> None:
    python = tree.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho no route to host\nexit 1\n")
    python.chmod(0o755)
    (tree.path / "requirements.txt").write_text("a==1")
    for _ in range(2):
        installed = tree.call("VENV=.venv; make_data; install_requirements requirements.txt")
        assert installed.returncode == 1
        assert "| no route to host" in installed.stderr
        assert "pip could not install requirements.txt" in installed.stderr


def test_a_process_is_started_found_and_stopped(tree: Tree) -> None:
    called = tree.call(
        "make_data; spawn sleeper sleep 60; running_processes; stop_processes 5 sleeper; running_processes; ls data/run"
    )
    assert (called.returncode, called.stdout) == (0, "sleeper\n")


def test_a_process_that_ended_before_it_could_be_identified_does_not_run(tree: Tree) -> None:
    called = tree.call("make_data; identity() { return 1; }; spawn sleeper true; running_processes")
    assert (called.returncode, called.stdout) == (0, "")


def test_a_process_that_does_not_stop_is_killed(tree: Tree) -> None:
    stubborn = "make_data; spawn stubborn bash -c 'trap \"\" TERM; echo up; while :; do sleep 1; done'\n"
    until_up = "until grep -q up data/logs/stubborn.log; do sleep 0.05; done\n"
    called = tree.call(f"{stubborn}{until_up}stop_processes 1 stubborn; running_processes")
    assert "stubborn  did not stop within 1 s: killed" in called.stderr
    assert called.stdout == ""


def test_a_stranger_with_the_pid_of_a_process_that_ended_is_left_alone(tree: Tree) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        called = tree.call(f"make_data; echo {stranger.pid} earlier-boot-1 >data/run/api.pid; native_stop")
        assert called.stdout == "stopped   nothing was running\n"
        assert stranger.poll() is None
        assert not (tree.path / "data/run/api.pid").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_a_taken_port_is_named_with_its_owner_and_a_way_out(tree: Tree, taken_port: int) -> None:
    tree.variables["API_PORT"] = str(taken_port)
    checked = tree.call("check_api_port")
    assert checked.returncode == 1
    assert f"Port {taken_port} is taken by" in checked.stderr
    assert f"API_PORT={taken_port + 1} ./run.sh start" in checked.stderr


def test_our_own_broker_goes_round_a_taken_port(tree: Tree, taken_port: int) -> None:
    assert int(tree.call(f"probe free-port {taken_port}").stdout) > taken_port


def test_another_server_is_not_taken_for_hopstream(tree: Tree) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        asked = tree.call(f"probe health localhost {server.server_port}")
        server.shutdown()
        thread.join()
    assert (asked.returncode, asked.stdout) == (1, "something answers that is not Hopstream\n")


def test_smoke_fails_line_by_line_where_nothing_runs(free_port: int) -> None:
    smoke = subprocess.run(
        [sys.executable, ROOT / "deploy/native/smoke.py", "localhost", str(free_port)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = smoke.stdout.splitlines()
    assert smoke.returncode == 1
    assert [line.split()[0] for line in lines] == ["FAILED"] * 5


@pytest.mark.parametrize(
    "failing",
    [
        [],
        ["tests/faults"],
        ["tests/store"],
        ["tests/integration"],
        ["tests/peers"],
        ["tests/unit", "tests/integration"],
    ],
)
def test_the_suite_is_green_where_all_its_parts_are(tree: Tree, failing: list[str]) -> None:
    python = tree.path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/bin/bash\n"
        'echo "ran $*"\n'
        f'for word in "$@"; do if [[ " {" ".join(failing)} " == *" $word "* ]]; then exit 1; fi; done\n'
    )
    python.chmod(0o755)
    ran = tree.call("VENV=venv; make_data; all_tests")
    assert (ran.returncode != 0) == bool(failing)
    asked = [word for line in ran.stdout.splitlines() for word in line.split() if word.startswith("tests/")]
    folders = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/__init__.py")}
    assert sorted(asked) == sorted(folders)


def test_a_model_of_a_file_asks_for_its_provider_s_packages(tree: Tree) -> None:
    models = '[[model]]\nname = "a"\n  provider = "gemini"  # not "anthropic"\n# provider = "ollama"\n'
    (tree.path / "models.toml").write_text(models)
    asked = tree.call(
        "setting() { if [[ $1 == MODELS_FILE ]]; then echo models.toml; fi; }\n"
        "for name in anthropic gemini ollama; do if wants NO_KEY $name; then echo $name; fi; done"
    )
    assert asked.stdout.split() == ["gemini"]
