"""All settings: environment variables first, then `.env`. `.env.example` is held equal to this class by a test."""

import re
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

import limits
from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.api_keys import parse_api_keys


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _unquote(value: object) -> object:
    quoted = re.fullmatch(r"""\s*(["'])(.*)\1\s*""", value, re.DOTALL) if isinstance(value, str) else None
    return quoted[2] if quoted else value


_AMQP_OPTIONS = {
    **dict.fromkeys(("cacertfile", "cafile", "capath", "ca_certs", "cadata"), "name the file by RABBIT_MQ_CA"),
    **dict.fromkeys(("verify", "no_verify_ssl", "cert_reqs", "ssl"), "certificates are verified with amqps, always"),
    "heartbeat": "it is 10 s",
    "connection_timeout": "it is 5 s",
}
"""What people write behind such a URL, and what there is in its place."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        str_strip_whitespace=True,
        frozen=True,
        hide_input_in_errors=True,  # it may be a key or a password
    )

    openai_api_key: SecretStr | None = Field(
        None, description="Key of the OpenAI-compatible API. Where no provider is set up, the demo answers."
    )
    openai_base_url: str | None = Field(
        None,
        description="Any OpenAI-compatible server, e.g. http://localhost:11434/v1; user and password in it are sent as "
        "Basic authentication, in the key's place. Default: OpenAI.",
    )
    openai_model: str = Field("gpt-4o-mini", description="OpenAI's model where a request names none.")
    anthropic_api_key: SecretStr | None = Field(None, description="Key of Anthropic's API.")
    anthropic_base_url: str | None = Field(None, description="Of another server with that API.")
    gemini_api_key: SecretStr | None = Field(None, description="Key of the Gemini API.")
    gemini_base_url: str | None = Field(None, description="Of another server with that API.")
    ollama_host: str | None = Field(None, description="Ollama's host and port, e.g. localhost:11434.")
    ollama_api_key: SecretStr | None = Field(None, description="Key of Ollama's cloud, or of a proxy before it.")
    models_file: FilePath | None = Field(
        None,
        description="TOML file of the models that can be asked, with their fallbacks, prices and limits; "
        "models.example.toml shows all of it. The first one answers where a question names none.",
    )
    system_prompt: str | None = Field(None, description="Put before every conversation.")

    rabbit_mq: str = Field("amqp://guest:guest@localhost/", description="amqp:// or amqps:// URL of RabbitMQ.")
    rabbit_mq_ca: FilePath | None = Field(
        None,
        description="PEM file of the authority that signed RabbitMQ's certificate, for amqps. Default: the system's.",
    )
    rabbit_mq_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,40}$",
        description="Put before the name of every queue and exchange, so that two installations can share a RabbitMQ.",
    )
    database_url: str = Field(
        "sqlite:///data/hopstream.db",
        description="sqlite:///… or postgresql://…; PostgreSQL where there is more than one machine.",
    )

    api_host: str = Field(
        "127.0.0.1", description="Address to listen on, of the API (by run.sh) and a worker's health port."
    )
    api_port: int = Field(8007, ge=1, le=65535, description="Port of the API.")

    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path under which a proxy serves the API, such as /chat; X-Forwarded-Prefix tells it as well.",
    )

    env: Literal["development", "production"] = Field(
        "development",
        description="production: the API needs API_KEYS, CORS is closed unless CORS_ORIGINS opens it, HSTS is sent.",
    )
    api_keys: Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(parse_api_keys)] = Field(
        {},
        description="Who may use the API: name:key pairs with commas; a session belongs to the name that made it. "
        "Names have letters, digits, _ and -, keys at least 16 characters. None: open to everybody.",
    )
    cors_origins: Annotated[list[str] | None, NoDecode, BeforeValidator(_split_commas)] = Field(
        None,
        description="Origins that may call the API from a browser, with commas. * lets chat.html work as a file. "
        "Default: * in development, none in production. Those that are named may open WebSockets, too.",
    )
    stream_token_seconds: int = Field(
        900,
        ge=1,
        le=86_400,
        description="How long the token in a stream_url opens its stream: longer than the longest turn (600 s) and "
        "its wait in the queue, so that an EventSource can reconnect until the answer's end.",
    )
    rate_limit: str = Field(
        "120/minute",
        description="How often each API key may ask (POST /chat, GET /test): two a second, more than people type and "
        "little enough that a script gone wild is noticed before the bill.",
    )
    rate_limit_storage: str = Field(
        "memory://", description="memory:// counts in each API process, redis://host:6379/0 in all of them together."
    )

    worker_concurrency: int = Field(
        100, ge=1, le=1000, description="Answers one worker process streams at the same time."
    )

    worker_health_port: int = Field(
        0, ge=0, le=65535, description="Port of a worker's own /health and /ready, on API_HOST. 0: none."
    )
    worker_stuck_seconds: float = Field(
        30,
        gt=0,
        description="A worker that has free slots and takes no job for so long, though jobs wait, replaces itself.",
    )

    shutdown_grace: float = Field(
        30, ge=0, description="Seconds a stopping worker gives running answers before it hands them over."
    )

    max_message_chars: int = Field(
        32_000, ge=1, description="Longest message of a user, in characters (about 8,000 tokens)."
    )
    max_queued_turns: int = Field(
        1000, ge=1, description="Turns that may wait for a worker; then POST /chat answers 429, rather than queue more."
    )
    max_streams_per_client: int = Field(
        1000, ge=1, description="Streams one client address may hold open at one API process; a proxy counts as one."
    )
    max_streams: int = Field(
        10_000, ge=1, description="Streams one API process holds open; its file descriptors have to suffice."
    )
    max_watchers: int = Field(
        100, ge=1, description="Connections to GET /events and /ws/events that one API process holds open."
    )
    watch_batch_ms: int = Field(50, ge=10, le=5000, description="Milliseconds in which news for a watcher gathers.")
    watch_events_per_second: int = Field(
        2000, ge=20, description="Most events that one watcher is told; what comes faster is told in longer pieces."
    )
    max_history_chars: int = Field(
        96_000,
        ge=0,
        description="Budget of earlier turns in the prompt, in characters (about 24,000 tokens).",
    )
    max_answer_chars: int = Field(
        400_000,
        ge=1,
        description="Longest answer, in characters; a longer one ends with finish_reason length.",
    )
    max_turn_seconds: float = Field(600, gt=0, le=3600, description="Longest turn; then it ends with a terminal error.")

    provider_first_timeout: float = Field(
        120,
        gt=0,
        description="Seconds to the first byte of an answer, in which some services load a model and read the prompt.",
    )
    provider_timeout: float = Field(
        60,
        gt=0,
        description="Seconds without a byte from the model's service, in mid-answer, after which it counts as failed.",
    )
    provider_retries: int = Field(
        3,
        ge=0,
        le=10,
        description="Further tries when the service answers with a passing failure before the first token.",
    )
    provider_retry_seconds: float = Field(
        60,
        ge=0,
        description="Seconds that all of a turn's failed tries and the waits between them may take together; a service "
        "that cannot be reached, because it restarts perhaps, is asked again for so long.",
    )
    provider_drop: Literal["restart", "error"] = Field(
        "restart",
        description="When the service breaks off in mid-answer: restart as a new attempt, or end and keep the partial.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="console for people, json for machines.")

    @model_validator(mode="before")
    @classmethod
    def _unquoted(cls, values: dict[str, Any]) -> dict[str, Any]:
        """`docker run --env-file` leaves the quotes around a value; from `.env` they are gone already."""
        bare = {name: _unquote(value) for name, value in values.items()}
        return {name: value for name, value in bare.items() if value != "" or values[name] == ""}

    @field_validator("openai_base_url", "anthropic_base_url", "gemini_base_url")
    @classmethod
    def _http_url(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must start with http:// or https:// and name a host")
        _ = parts.port  # raises ValueError
        return url

    @field_validator("anthropic_base_url", "gemini_base_url")
    @classmethod
    def _bare_url(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if parts.username is not None or parts.query:
            raise ValueError("must have no user, password or query")
        return url

    @field_validator("ollama_host")
    @classmethod
    def _host(cls, host: str | None) -> str | None:
        parts = urlsplit(host if host is None or "//" in host else f"//{host}")
        if host is not None and not parts.hostname:
            raise ValueError("must name a host, as localhost:11434 does")
        _ = parts.port  # raises ValueError
        return host

    @field_validator("rabbit_mq")
    @classmethod
    def _amqp_url(cls, url: str) -> str:
        """The libraries that connect read a URL's options each in its own way, if at all."""
        parts = urlsplit(url)
        if parts.scheme not in ("amqp", "amqps"):
            raise ValueError("must start with amqp:// or amqps://")
        if not parts.hostname:
            raise ValueError("must name a host, as amqp://user:password@host/vhost does")
        try:
            _ = parts.port
        except ValueError as error:
            raise ValueError(
                "must have a number as its port; in a password / ? # @ and % are written as %XX"
            ) from error
        if "/" in parts.path.removeprefix("/").removeprefix("/"):
            raise ValueError("must have %2F for each slash in the virtual host's name")
        for name, _ in parse_qsl(parts.query, keep_blank_values=True):
            hint = _AMQP_OPTIONS.get(name.lower(), "leave it out")
            raise ValueError(f"has the option {name}, which not all of our connections could keep: {hint}")
        return url

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?:", url):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return url

    @field_validator("rate_limit")
    @classmethod
    def _one_rate_limit(cls, text: str) -> str:
        try:
            (limit,) = limits.parse_many(text)
        except ValueError as error:
            raise ValueError("must be one limit such as 120/minute or 1000 per 2 hours") from error
        if limit.amount < 1:
            raise ValueError("must let at least one request through")
        return text

    @field_validator("rate_limit_storage")
    @classmethod
    def _known_storage(cls, url: str) -> str:
        if url != "memory://" and not url.startswith(("redis://", "rediss://")):
            raise ValueError("must be memory:// or start with redis:// or rediss://")
        return url

    @property
    def allowed_origins(self) -> list[str]:
        """For CORS."""
        if self.cors_origins is not None:
            return self.cors_origins
        return [] if self.env == "production" else ["*"]


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
