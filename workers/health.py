"""The worker's own small HTTP port, for probes: /health is liveness by progress, /ready whether jobs come."""

import structlog
from aiohttp import web

from core.broker.connection import BrokerConnection
from workers.liveness import ConsumptionCheck

log = structlog.get_logger()


class HealthServer:
    def __init__(self, liveness: ConsumptionCheck, connection: BrokerConnection) -> None:
        self._liveness = liveness
        self._connection = connection
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str, port: int) -> None:
        """A port that is taken is logged: the answers matter more than the probes."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            log.error("no health port; see WORKER_HEALTH_PORT", action="health.no_port", port=port, error=str(error))

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        stuck, slots = self._liveness.stuck, self._liveness.slots
        state = {
            "status": "stuck" if stuck else "ok",
            "broker": self._broker,
            "running": slots.busy,
            "free": slots.free,
            "waiting": self._liveness.waiting,
        }
        return web.json_response(state, status=503 if stuck else 200)

    async def _ready(self, _: web.Request) -> web.Response:
        is_ready = self._connection.up and self._liveness.slots.is_consuming
        state = {"status": "ready" if is_ready else "unavailable", "broker": self._broker}
        return web.json_response(state, status=200 if is_ready else 503)

    @property
    def _broker(self) -> str:
        return "up" if self._connection.up else "down"
