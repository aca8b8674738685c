"""`python -m logs.collector.socket_proxy`: lets the collector read from the Docker socket, on port 2375.

What it may read is told by LOG_DOCKER_CONTAINERS here, and not by whoever asks.
"""

import asyncio
import signal

import structlog
from aiohttp import web

from core.settings import Settings, get_settings
from core.telemetry.logs import configure_logs
from logs.collector.docker.engine import Engine, EngineError
from logs.collector.socket_proxy.server import SocketProxy
from logs.collector.source import CannotCollect

log = structlog.get_logger()

PORT = 2375


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Until `stop` is set. Raises SystemExit for settings that cannot work."""
    engine = Engine(settings.log_docker_host)
    proxy = SocketProxy(engine, settings.log_docker_containers)
    runner = web.AppRunner(proxy.app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    try:
        await proxy.open()
    except CannotCollect as error:
        await engine.close()
        raise SystemExit(str(error)) from None
    except EngineError as error:
        log.warning("waits for the Docker engine", action="socket_proxy.waits", error=repr(error)[:200])
    await runner.setup()
    try:
        await web.TCPSite(runner, None, PORT).start()
        log.info("ready", action="socket_proxy.ready", port=PORT)
        await stop.wait()
    finally:
        await runner.cleanup()
        await engine.close()


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop)


if __name__ == "__main__":
    settings = get_settings()
    configure_logs(settings, "socket_proxy")
    asyncio.run(_run(settings))
