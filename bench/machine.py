"""What a measurement ran on: without it, a figure says little."""

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import aio_pika

from bench.contenders import LITELLM
from bench.litellm import version_of
from bench.stack import broker_url

PACKAGES = ("fastapi", "uvicorn", "aio-pika", "celery", "openai")


async def machine() -> dict[str, str]:
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": f"{os.cpu_count()} x {_processor()}",
        "Linux": platform.release(),
        "RabbitMQ": await _rabbitmq(),
        "Python": platform.python_version(),
    }
    facts |= {package: version(package) for package in PACKAGES}
    if (litellm := version_of(LITELLM)) is not None:
        facts["LiteLLM"] = litellm
    return facts


async def _rabbitmq() -> str:
    async with await aio_pika.connect(broker_url()) as connection:
        assert connection.transport is not None
        properties = connection.transport.connection.server_properties
        return str(properties.get("version", "unknown"))


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
