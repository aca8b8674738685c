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


_HINTS = {"local": "for a CPU alone install PyTorch's CPU build first, as pytorch.org tells under Get started"}


def require_extra(extra: str, setting: str) -> None:
    """Raises SystemExit with the line that installs it."""
    if missing := missing_extra(extra, setting):
        raise SystemExit(missing)


def missing_extra(extra: str, setting: str) -> str | None:
    """The line that installs it; None: it is there."""
    try:
        found = find_spec(EXTRAS[extra])
    except ModuleNotFoundError:  # of the package around it
        found = None
    if found is not None:
        return None
    hint = f" ({_HINTS[extra]})" if extra in _HINTS else ""
    return f"{setting}: needs a package that is not installed: pip install -r requirements-{extra}.txt{hint}"
