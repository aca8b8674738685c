"""Our own RabbitMQ ended unasked, and what brings it back."""

import pytest

from tests.unit.run_sh.tree import Tree

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
