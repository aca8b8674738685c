"""TLS to RabbitMQ. With amqps the broker's certificate is always verified, whatever the URL's own options say."""

import ssl
from functools import cache
from pathlib import Path
from typing import Any

from core.settings import get_settings


def tls_context(url: str) -> ssl.SSLContext | None:
    """For aio-pika; None where the URL asks for no TLS."""
    return _trusting(get_settings().rabbit_mq_ca) if url.startswith("amqps://") else None


@cache
def _trusting(ca: Path | None) -> ssl.SSLContext:
    """`ca`, or else the system's authorities: reading them all takes 50 ms."""
    return ssl.create_default_context(cafile=ca)


def celery_tls(url: str) -> dict[str, Any] | None:
    """The same for Celery's `broker_use_ssl`; None where the URL asks for no TLS."""
    if not url.startswith("amqps://"):
        return None
    ca = get_settings().rabbit_mq_ca
    return {
        "ca_certs": str(ca) if ca else None,
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": None,  # kombu puts the URL's host there; without it the name would not be compared
    }


def why_tls_failed(error: BaseException | None) -> str | None:
    """What was wrong with the broker's certificate, in OpenSSL's words; None where it was something else."""
    seen: set[int] = set()  # an exception that was raised again elsewhere may be among its own causes
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the broker's certificate was refused, see RABBIT_MQ_CA: {error.verify_message}"
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
