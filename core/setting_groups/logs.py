"""Settings: the log dashboard, and what sends lines to it."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FilePath, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from core.api_keys import parse_api_keys
from core.setting_groups.types import HttpUrl, LogArchive, RedisUrl, Words, split_commas


class LogSettings(BaseSettings):
    log_stream: RedisUrl | None = Field(
        None,
        description="redis:// or rediss:// URL of the Redis to which API and workers send their log lines, and what "
        "each turn took, for the dashboard. Default: nowhere.",
    )
    redis_url: RedisUrl = Field(
        SecretStr("redis://localhost:6379/0"), description="The Redis, or Valkey, that the log dashboard shows."
    )
    llm_streamer_port: int = Field(8000, ge=1, le=65535, description="Port of the dashboard, on API_HOST.")
    log_keys: Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(parse_api_keys)] = Field(
        {},
        description="Who may see the logs: name:key pairs as in API_KEYS, whose keys open nothing here. None: open to "
        "everybody in development; in production the dashboard does not start without.",
    )
    log_stream_lines: int = Field(
        200_000, ge=1000, le=10_000_000, description="Lines that Redis keeps; 100,000 take some 30 MB."
    )
    log_archive: LogArchive = Field(
        "data/log-archive",
        description="Where older lines are kept: a folder, with a SQLite file for each day, or a postgresql:// URL; "
        "none: nowhere.",
    )
    log_keep_days: float = Field(7, gt=0, description="Days that the archive keeps a line.")
    log_keep_debug_days: float = Field(2, gt=0, description="And one of the level debug or trace.")
    log_keep_mb: int = Field(1024, ge=10, description="Size of the archive; the oldest days go first.")
    log_search_index: bool = Field(
        False, description="Index the words of the archive, for quick searches at seven times the work for each line."
    )
    log_alerts: FilePath | None = Field(
        None, description="TOML file of the alerts; alerts.example.toml shows all it can say."
    )
    log_collect: Annotated[
        list[Literal["docker", "files", "kubernetes", "pods"]], NoDecode, BeforeValidator(split_commas)
    ] = Field(
        ["docker"],
        min_length=1,
        description="What the collector reads, with commas: docker, files, kubernetes (the files of a node), pods.",
    )
    log_docker_host: str = Field(
        "unix:///var/run/docker.sock",
        pattern=r"^(unix:///|tcp://|http://).+",
        description="The Docker engine, or the proxy before it that lets the collector read and nothing more.",
    )
    log_docker_containers: Words = Field(
        [],
        description="Which containers, with commas: names, or labels as label=value. Default: those of the collector's "
        "own Compose project; * for all.",
    )
    log_files: Words = Field([], description="Files that the collector follows, with commas; * and ? as in a shell.")
    log_kubernetes_api: HttpUrl | None = Field(
        None,
        description="For pods: Kubernetes' API as `kubectl proxy` serves it, http://127.0.0.1:8001. Default: that of "
        "the cluster in which the collector is a pod.",
    )
    log_kubernetes_except: Words = Field(
        [],
        description="Pods that are not followed, with commas: names, or namespace/name; * and ? as in a shell.",
    )
    log_collect_hours: float = Field(
        1, ge=0, description="How far back the collector reads what it has never seen before."
    )
    log_lines_per_second: int = Field(
        5000,
        ge=10,
        description="Of one container; what is more is dropped, and its number told. A file is read no faster, and to "
        "its end.",
    )
