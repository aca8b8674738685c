"""Processes are started, found and stopped, and the ports of strangers are left to them."""

import http.server
import subprocess
import threading

from tests.unit.run_sh.tree import Tree


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
