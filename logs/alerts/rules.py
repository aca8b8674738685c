"""The file of alerts (LOG_ALERTS, TOML): which lines are too many, and which are missed."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.setting_groups.types import HttpUrl
from core.telemetry.log_stream.record import Level
from logs.live.filters import Filter, Matcher
from logs.problems import BadQuery

MOST_ALERTS = 200
MOST_SECONDS = 24 * 3600
Names = list[str]


def _check_variable(name: str) -> str:
    if not os.environ.get(name):
        raise ValueError(f"the environment has no {name}")
    return name


class Rule(BaseModel):
    """`count` lines `within_seconds`, or none for `silent_seconds`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[\w .:-]{1,100}$")
    text: str = Field("", max_length=1000)
    severity: Literal["info", "warning", "critical"] = "warning"
    channel: Names = []
    service: Names = []
    level: Level | None = None
    word: str = Field("", max_length=500)
    regex: str = Field("", max_length=500)
    count: int | None = Field(None, ge=1, le=100_000)
    within_seconds: float = Field(60, gt=0, le=MOST_SECONDS)
    silent_seconds: float | None = Field(None, gt=0, le=MOST_SECONDS)

    @model_validator(mode="after")
    def _one_kind(self) -> "Rule":
        if (self.count is None) == (self.silent_seconds is None):
            raise ValueError("needs either count or silent_seconds")
        self.matcher()
        return self

    def matcher(self) -> Matcher:
        asked = Filter(
            channels=frozenset(self.channel),
            services=frozenset(self.service),
            level=self.level,
            word=self.word,
            regex=self.regex,
        )
        try:
            return Matcher(asked)
        except BadQuery as error:
            raise ValueError(error.message) from None

    @property
    def seconds(self) -> float:
        """How far back it looks."""
        return self.silent_seconds or self.within_seconds


class Webhook(BaseModel):
    """Gets what Alertmanager's webhooks get (version 4)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    token_variable: Annotated[str, AfterValidator(_check_variable)] | None = None
    """The environment's, sent as `Authorization: Bearer`."""


class Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    alert: list[Rule] = Field(min_length=1, max_length=MOST_ALERTS)
    webhook: list[Webhook] = []
    apprise: Names = []
    """URLs of Apprise's, for which it has to be installed."""

    @model_validator(mode="after")
    def _names_differ(self) -> "Rules":
        names = [rule.name for rule in self.alert]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two alerts are called {twice!r}")
        return self


def read_rules(path: Path) -> Rules:
    """Raises SystemExit, with a line for each fault."""
    try:
        return Rules.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SystemExit(f"LOG_ALERTS: {path}: {error}") from None
    except ValidationError as error:
        faults = [
            f"LOG_ALERTS: {path}: {_place(item['loc'])}{item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise SystemExit("\n".join(faults)) from None


def _place(location: tuple[int | str, ...]) -> str:
    words = [f"{part}" if isinstance(part, str) else f"number {part + 1}" for part in location]
    return f"{' '.join(words)}: " if words else ""
