"""Which RabbitMQ is used, and that nobody sees its password."""

import sys

import pytest

from tests.unit.run_sh.tree import Tree


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
