"""`python -m logs.collector`: sends what containers, files and pods log to the dashboard's Redis."""

import asyncio
import signal

import structlog
from redis.exceptions import RedisError

from core.background import Background
from core.settings import Settings, get_settings
from core.telemetry.log_stream.appender import Appender
from core.telemetry.logs import configure_logs
from logs.collector.health import Health
from logs.collector.sender import Sender, load_places
from logs.collector.source import CannotCollect
from logs.collector.sources import sources_of

log = structlog.get_logger()

RETRY_SECONDS = 1.0
DRAIN_SECONDS = 5.0
"""For what is read and not sent when it is told to stop; the rest is read again by the next one."""


async def collect(settings: Settings, stop: asyncio.Event) -> None:
    """Until `stop` is set. Raises SystemExit for settings that cannot work."""
    appender = Appender(settings.redis_url.get_secret_value(), settings.log_stream_lines)
    sender, background = Sender(appender), Background()
    health = Health(settings, sender)
    await health.start()
    sending = background.run("sender", sender.run())
    reading, stopping = asyncio.create_task(_read(settings, sender, health)), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((reading, stopping, sending), return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            raise SystemExit("the sender has broken; whoever has started this starts it again")
    finally:
        reading.cancel()
        stopping.cancel()
        (error, _) = await asyncio.gather(reading, stopping, return_exceptions=True)
        if not sender.is_away:
            await sender.drain(DRAIN_SECONDS)
        await background.stop()
        await health.stop()
        appender.close()
    if isinstance(error, CannotCollect):
        raise SystemExit(str(error))
    if not stop.is_set() and isinstance(error, BaseException):
        raise error


async def _read(settings: Settings, sender: Sender, health: Health) -> None:
    """Raises CannotCollect."""
    places = await _places(settings.redis_url.get_secret_value())
    health.sources = sources_of(settings, sender, places)
    try:
        async with asyncio.TaskGroup() as group:
            for source in health.sources:
                group.create_task(source.run(), name=source.name)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _places(url: str) -> dict[str, str]:
    """Nothing is read before one knows where to go on."""
    is_told = False
    while True:
        try:
            return await asyncio.to_thread(load_places, url)
        except RedisError as error:
            if not is_told:
                log.warning("waits for Redis", action="collector.waits", error=str(error))
            is_told = True
            await asyncio.sleep(RETRY_SECONDS)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await collect(settings, stop)


def main() -> None:
    settings = get_settings()
    configure_logs(settings, "collector")
    asyncio.run(_run(settings))


if __name__ == "__main__":
    main()
