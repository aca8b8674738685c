"""The models of MODELS_FILE: a TOML file with a table [[model]] for each."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.model.events import Usage
from core.providers.base import Access, GoesOn
from core.providers.catalogue.providers import ProviderName, asks_service
from core.variables import variable

MODEL_PATTERN = r"^[\x21-\x7e]{1,200}$"
FIRST_TOKEN_SECONDS = 10.0
"""For the first token of a model that has fallbacks and does not think first: another can answer while people wait."""
_HEADER = re.compile(r"\s*\[\[\s*model\s*\]\]")
ENGINE_QUEUE = "local"
_MILLION = 1_000_000
_RESERVED = frozenset({"model", "messages", "contents", "input", "stream", "tools", "system", "background", "store"})
"""Members of a request that are the question's own."""

ModelName = Annotated[str, Field(pattern=MODEL_PATTERN)]
Positive = Annotated[int, Field(ge=1, strict=True)]


class Prices(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    """Of input that the service had read before; None: the same as other input."""


class Model(BaseModel):
    """What can be asked under a name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ModelName
    provider: ProviderName
    model: ModelName | None = None
    """Its name at the service; None: the same."""
    base_url: str | None = Field(None, pattern=r"^https?://[^\s]+$")
    key: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The variable that has the key. None: the provider's own, unless there is a `base_url`."""
    api: Literal["chat", "responses"] = "chat"
    """Of `openai`: responses go on in background mode when a worker is lost, and nothing is paid for twice."""
    context: Positive | None = None
    """Tokens that it can read."""
    prices: Prices | None = None
    tools: bool = True
    reasoning: bool = False
    images: bool = True
    """And files."""
    continues: GoesOn = False
    """Whether it goes on with an answer that has begun: `true` where the last message is the assistant's, as llama.cpp
    and Ollama do; `vllm` with vLLM's own options, `prefix` with DeepSeek's and Mistral's."""
    fallbacks: list[ModelName] = []
    """Names of this file that are asked in its place while it does not answer, in order."""
    first_token_seconds: float | None = Field(None, gt=0)
    refuses: list[str] = []
    """Options that it does not take, though its provider has them."""
    provider_options: list[str] = []
    """Members of its service's own request that a question may set, inner ones with dots."""

    @model_validator(mode="before")
    @classmethod
    def _engine(cls, values: Any) -> Any:
        """What the local engine can do, unless the file says otherwise."""
        is_local = isinstance(values, dict) and values.get("provider") == "local"
        return {"continues": True, "images": False, **values} if is_local else values

    @property
    def service_model(self) -> str:
        """What its service calls it."""
        return self.model or self.name

    @property
    def queue(self) -> str | None:
        """Of its jobs: models of an engine are answered where that runs. None: by any worker."""
        return ENGINE_QUEUE if self.provider == "local" else None

    @property
    def may_go_on(self) -> bool:
        """Whether another attempt can go on with an answer that broke off."""
        return bool(self.continues) or self.api == "responses"

    @property
    def first_token_limit(self) -> float | None:
        """Seconds; None: no other than its provider's."""
        if self.first_token_seconds is not None:
            return self.first_token_seconds
        return FIRST_TOKEN_SECONDS if self.fallbacks and not self.reasoning else None

    def cost(self, usage: Usage | None) -> float | None:
        """US dollars; None where prices or counts are not known."""
        if usage is None or self.prices is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.input_tokens)
        price_of_cached = self.prices.input if self.prices.cached is None else self.prices.cached
        read = (usage.input_tokens - cached) * self.prices.input + cached * price_of_cached
        return (read + usage.output_tokens * self.prices.output) / _MILLION


class BadModelsFile(SystemExit):
    """Names each fault with its line."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: list[Model] = Field(min_length=1)


def read_models(path: Path, usual: Mapping[str, Access]) -> list[Model]:
    """`usual`: how providers are reached by the settings. Raises BadModelsFile."""
    try:
        text = path.read_text(encoding="utf-8")
        models = _File.model_validate(tomllib.loads(text)).model
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(path, [str(error)]) from error
    except ValidationError as error:
        raise _bad(path, [_told(each["loc"], each["msg"], text) for each in error.errors()]) from None
    if faults := [*_faults(models, text, usual)]:
        raise _bad(path, faults)
    return models


def names_engine(path: Path) -> bool:
    """Whether the file has a model of the local engine; what else is wrong with it is told by `read_models`."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        return any(table.get("provider") == "local" for table in tables)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError, TypeError):
        return False


def access_of(model: Model, usual: Access | None, address: str | None) -> Access:
    """How its service is reached. `usual`: by the settings, whose key goes to their address alone; None: they do not
    ask for it. `address`: the setting `<provider>_base_url`, for a key of the file where `usual` is None."""
    if model.key is not None:
        return Access(variable(model.key), model.base_url or (usual.base_url if usual else address))
    if model.base_url is not None:
        return Access(None, model.base_url)
    return usual or Access()


def _faults(models: list[Model], text: str, usual: Mapping[str, Access]) -> Iterator[str]:
    """What only the whole file can tell."""
    names = [model.name for model in models]
    for number, model in enumerate(models):

        def fault(field: str, what: str, number: int = number) -> str:
            return _told(("model", number, field), what, text)

        if model.name in names[:number]:
            yield fault("name", f"{model.name!r} is there already")
        for name in model.fallbacks:
            if name not in names:
                yield fault("fallbacks", f"there is no model {name!r} in this file")
            elif name == model.name:
                yield fault("fallbacks", "a model is no fallback of its own")
        if model.key is not None and not variable(model.key):
            yield fault("key", f"the variable {model.key} is not set, neither in the environment nor in .env")
        if model.base_url is not None and (wrong := _wrong_address(model.base_url)):
            yield fault("base_url", wrong)
        if model.api == "responses" and model.provider != "openai":
            yield fault("api", "only openai has responses")
        is_reached = model.key or model.base_url or model.provider in usual
        if not is_reached and asks_service(model.provider):
            yield fault("provider", f"{model.provider} is not set up; set its key, or name a key or a base_url here")
        for option in model.provider_options:
            if option.partition(".")[0] in _RESERVED:
                yield fault("provider_options", f"{option!r} is the question's own")


def _wrong_address(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        is_wrong = not parts.hostname or parts.port == 0
    except ValueError as error:
        return str(error)
    return "it names no host" if is_wrong else None


def _told(loc: tuple[int | str, ...], what: str, text: str) -> str:
    """With the line that it is about, as far as that can be found."""
    what = what.removeprefix("Value error, ")
    match loc:
        case ("model", int(number), *rest):
            fields = [str(field) for field in rest]
            line = _line_of(number, fields[0] if fields else "", text)
            return f"line {line}: {'.'.join(fields) or 'model'}: {what}"
        case _:
            return f"{'.'.join(map(str, loc)) or 'file'}: {what}"


def _line_of(number: int, field: str, text: str) -> int:
    """Counted from 1: that of the field in the table of this number, or of its header."""
    lines = text.splitlines()
    headers = [at for at, line in enumerate(lines) if _HEADER.match(line)]
    if number >= len(headers):
        return 1
    begin, end = headers[number], headers[number + 1] if number + 1 < len(headers) else len(lines)
    names = re.compile(rf"\s*(\[\s*model\s*\.\s*)?[\"']?{re.escape(field)}\b") if field else _HEADER
    return next((at for at in range(begin, end) if names.match(lines[at])), begin) + 1


def _bad(path: Path, faults: list[str]) -> BadModelsFile:
    return BadModelsFile("\n".join([f"MODELS_FILE {path} cannot be used:", *(f"  {fault}" for fault in faults)]))
