"""Packages that only some settings need."""

from importlib.util import find_spec

EXTRAS = {
    "anthropic": "anthropic",
    "apprise": "apprise",
    "gemini": "google.genai",
    "local": "torch",
    "logs": "re2",
    "mcp": "mcp",
    "ollama": "ollama",
}
"""A module of each extra of pyproject.toml, by which it is there or not."""


def require_extra(extra: str, setting: str) -> None:
    """Raises SystemExit with the line that installs it."""
    try:
        found = find_spec(EXTRAS[extra])
    except ModuleNotFoundError:  # of the package around it
        found = None
    if found is None:
        raise SystemExit(f"{setting}: needs a package that is not installed: pip install -r requirements-{extra}.txt")
