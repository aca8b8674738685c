"""All settings: environment variables first, then `.env`. `.env.example` is held equal to this class by a test."""

import re
from functools import cache
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from core.setting_groups.agents import AgentSettings
from core.setting_groups.bounds import BoundSettings
from core.setting_groups.local import LocalSettings
from core.setting_groups.logs import LogSettings
from core.setting_groups.models import ModelSettings
from core.setting_groups.service import ServiceSettings


def _unquote(value: object) -> object:
    quoted = re.fullmatch(r"""\s*(["'])(.*)\1\s*""", value, re.DOTALL) if isinstance(value, str) else None
    return quoted[2] if quoted else value


class Settings(LogSettings, BoundSettings, ServiceSettings, AgentSettings, LocalSettings, ModelSettings):
    """Nearly all fields are in `core.setting_groups`: the last group named here has the first of them."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        str_strip_whitespace=True,
        frozen=True,
        hide_input_in_errors=True,  # it may be a key or a password
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="console for people, json for machines.")

    @model_validator(mode="before")
    @classmethod
    def _unquoted(cls, values: dict[str, Any]) -> dict[str, Any]:
        """`docker run --env-file` leaves the quotes around a value; from `.env` they are gone already."""
        bare = {name: _unquote(value) for name, value in values.items()}
        return {name: value for name, value in bare.items() if value != "" or values[name] == ""}


@cache
def get_settings() -> Settings:
    """The process's settings, read once. Raises SystemExit, with one line for each that is wrong: servers import us
    by name, and would print a traceback around the one line that matters."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit("\n".join(map(_describe, error.errors()))) from None


def _describe(item: ErrorDetails) -> str:
    return f"{str(item['loc'][0]).upper()}: {item['msg'].removeprefix('Value error, ')}"
