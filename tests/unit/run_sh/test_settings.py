"""Settings, from the environment and from .env."""

import pytest

from tests.unit.run_sh.tree import Tree


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
