"""Settings: what the processes stand on, who may come, and how they run."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FilePath, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from core.api_keys import parse_api_keys
from core.setting_groups.types import (
    AmqpUrl,
    DatabaseUrl,
    NarratorRelay,
    RateLimitStorage,
    RateLimitText,
    Words,
    split_commas,
)


class ServiceSettings(BaseSettings):
    rabbit_mq: AmqpUrl = Field("amqp://guest:guest@localhost/", description="amqp:// or amqps:// URL of RabbitMQ.")
    rabbit_mq_ca: FilePath | None = Field(
        None,
        description="PEM file of the authority that signed RabbitMQ's certificate, for amqps. Default: the system's.",
    )
    rabbit_mq_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,40}$",
        description="Put before the name of every queue and exchange, so that two installations can share a RabbitMQ.",
    )
    database_url: DatabaseUrl = Field(
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

    env: Literal["development", "test", "production"] = Field(
        "development",
        description="production: the API needs API_KEYS, CORS is closed unless CORS_ORIGINS opens it, HSTS is sent. "
        "test: as development, and NARRATOR_RELAY may be set.",
    )
    narrator_relay: NarratorRelay | None = Field(
        None,
        description="fake:TEXT answers whatever is posted to narrators with this text, in place of all controllers; "
        "only with ENV=test.",
    )
    api_keys: Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(parse_api_keys)] = Field(
        {},
        description="Who may use the API: name:key pairs with commas; a session belongs to the name that made it. "
        "Names have letters, digits, _ and -, keys at least 16 characters. None: open to everybody.",
    )
    cors_origins: Annotated[Words | None, NoDecode] = Field(
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
    rate_limit: RateLimitText = Field(
        "120/minute",
        description="How often each API key may ask (POST /chat and /narrator/messages, GET /test, a message over "
        "/ws/chat): two a second, more than people type and little enough that a script gone wild is noticed before "
        "the bill.",
    )
    rate_limit_storage: RateLimitStorage = Field(
        "memory://", description="memory:// counts in each API process, redis://host:6379/0 in all of them together."
    )

    worker_concurrency: int = Field(
        100, ge=1, le=1000, description="Answers one worker process streams at the same time."
    )

    worker_queues: Annotated[list[Literal["default", "local"]], NoDecode, BeforeValidator(split_commas)] = Field(
        [],
        description="Whose jobs a worker takes, with commas: default, local (those of the local engine's models). "
        "Default: default, and local where the settings name such a model.",
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

    @property
    def allowed_origins(self) -> list[str]:
        """For CORS."""
        if self.cors_origins is not None:
            return self.cors_origins
        return [] if self.env == "production" else ["*"]
