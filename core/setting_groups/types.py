"""What the value of a setting may be, where a plain type does not say it. The messages are for whoever set it."""

import re
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import limits
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

FAKE = "fake:"


def split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _check_http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    _ = parts.port  # raises ValueError
    return url


def _check_bare_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.query:
        raise ValueError("must have no user, password or query")
    return url


def _check_host(host: str) -> str:
    parts = urlsplit(host if "//" in host else f"//{host}")
    if not parts.hostname:
        raise ValueError("must name a host, as localhost:11434 does")
    _ = parts.port  # raises ValueError
    return host


_AMQP_OPTIONS = {
    **dict.fromkeys(("cacertfile", "cafile", "capath", "ca_certs", "cadata"), "name the file by RABBIT_MQ_CA"),
    **dict.fromkeys(("verify", "no_verify_ssl", "cert_reqs", "ssl"), "certificates are verified with amqps, always"),
    "heartbeat": "it is 10 s",
    "connection_timeout": "it is 5 s",
}
"""What people write behind such a URL, and what there is in its place."""


def _check_amqp_url(url: str) -> str:
    """The libraries that connect read a URL's options each in its own way, if at all."""
    parts = urlsplit(url)
    if parts.scheme not in ("amqp", "amqps"):
        raise ValueError("must start with amqp:// or amqps://")
    if not parts.hostname:
        raise ValueError("must name a host, as amqp://user:password@host/vhost does")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("must have a number as its port; in a password / ? # @ and % are written as %XX") from error
    if "/" in parts.path.removeprefix("/").removeprefix("/"):
        raise ValueError("must have %2F for each slash in the virtual host's name")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        hint = _AMQP_OPTIONS.get(name.lower(), "leave it out")
        raise ValueError(f"has the option {name}, which not all of our connections could keep: {hint}")
    return url


def _check_database_url(url: str) -> str:
    if not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?:", url):
        raise ValueError("must start with sqlite:/// or postgresql://")
    return url


def _check_redis_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("must start with redis://, rediss:// or unix://")
    if parts.scheme != "unix" and not parts.hostname:
        raise ValueError("must name a host, as redis://localhost:6379/0 does")
    _ = parts.port  # raises ValueError
    return url


def _check_log_archive(place: str) -> str:
    if "://" in place and not re.match(r"postgres(ql)?(\+\w+)?://", place):
        raise ValueError("must be a folder, a postgresql:// URL, or none")
    return place


def _check_narrator_relay(relay: str) -> str:
    if not relay.removeprefix(FAKE).strip() or not relay.startswith(FAKE):
        raise ValueError(f"must be {FAKE} and what it answers, as {FAKE}All is well.")
    return relay


def _check_rate_limit(text: str) -> str:
    try:
        (limit,) = limits.parse_many(text)
    except ValueError as error:
        raise ValueError("must be one limit such as 120/minute or 1000 per 2 hours") from error
    if limit.amount < 1:
        raise ValueError("must let at least one request through")
    return text


def _check_rate_limit_storage(url: str) -> str:
    if url != "memory://" and not url.startswith(("redis://", "rediss://")):
        raise ValueError("must be memory:// or start with redis:// or rediss://")
    return url


Words = Annotated[list[str], NoDecode, BeforeValidator(split_commas)]
"""With commas between them."""
HttpUrl = Annotated[str, AfterValidator(_check_http_url)]
BareHttpUrl = Annotated[HttpUrl, AfterValidator(_check_bare_url)]
Host = Annotated[str, AfterValidator(_check_host)]
AmqpUrl = Annotated[str, AfterValidator(_check_amqp_url)]
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_check_redis_url)]
LogArchive = Annotated[str, AfterValidator(_check_log_archive)]
NarratorRelay = Annotated[str, AfterValidator(_check_narrator_relay)]
RateLimitText = Annotated[str, AfterValidator(_check_rate_limit)]
RateLimitStorage = Annotated[str, AfterValidator(_check_rate_limit_storage)]
