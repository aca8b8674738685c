"""The faults of design 5, one class each. `strike()` breaks something, and returns when it is whole again."""

import asyncio
import signal
from subprocess import CalledProcessError
from time import monotonic

from core.store.liveness import SILENT_SECONDS
from tests.faults.system import System

FREEZE_SECONDS = SILENT_SECONDS + 2
"""Long enough for its turns to be taken over; then a zombie thaws."""
OUTAGE_SECONDS = 3.0
DELAY_SECONDS = 0.2


class Fault:
    """`heals`: whether streams can move again only once it is over; then recovery counts from there."""

    name = ""
    heals = False

    @staticmethod
    def possible(system: System) -> bool:
        return True

    async def strike(self, system: System) -> None:
        raise NotImplementedError


class WorkerKilled(Fault):
    name = "worker kill -9"

    async def strike(self, system: System) -> None:
        worker = system.random.choice(system.workers)
        worker.kill()
        await system.replace_worker(worker)


class WorkerFrozen(Fault):
    """A zombie, once it thaws: it may neither reach viewers nor commit."""

    name = "worker SIGSTOP, SIGCONT"

    async def strike(self, system: System) -> None:
        worker = system.random.choice(system.workers)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(FREEZE_SECONDS)
        worker.signal(signal.SIGCONT)


class WorkerStopped(Fault):
    """As a roll-out does it: the new one is there before the old one goes."""

    name = "worker SIGTERM"

    async def strike(self, system: System) -> None:
        worker = system.random.choice(system.workers)
        await system.replace_worker(worker)
        await system.stop(worker)


class ApiKilled(Fault):
    name = "API kill -9"

    async def strike(self, system: System) -> None:
        api = system.random.choice(system.apis)
        api.kill()
        await system.restart_api(api)


class ApiStopped(Fault):
    name = "API SIGTERM"

    async def strike(self, system: System) -> None:
        api = system.random.choice(system.apis)
        await system.stop(api)
        await system.restart_api(api)


class RollingRestart(Fault):
    """A deployment, as Kubernetes does it: each new process is ready before an old one goes."""

    name = "rolling restart of everything"

    async def strike(self, system: System) -> None:
        for worker in list(system.workers):
            await system.replace_worker(worker)
            await system.stop(worker)
        for api in list(system.apis):
            await system.replace_api(api)
            await system.stop(api)


class ConnectionsClosed(Fault):
    name = "close_all_connections"

    async def strike(self, system: System) -> None:
        await system.ctl("close_all_connections", "--vhost", system.broker.vhost, "fault test")


class BrokerRestarted(Fault):
    name = "broker stop_app, start_app"
    heals = True

    async def strike(self, system: System) -> None:
        await system.ctl("stop_app")
        await asyncio.sleep(OUTAGE_SECONDS)
        await system.ctl("start_app")


class NodeKilled(Fault):
    """Of a cluster, where the others serve meanwhile."""

    name = "broker node kill -9"

    @staticmethod
    def possible(system: System) -> bool:
        return any(node.start for node in system.broker.nodes)

    async def strike(self, system: System) -> None:
        node = system.random.choice([node for node in system.broker.nodes if node.start])
        await asyncio.to_thread(system.broker.kill, node)
        await asyncio.sleep(OUTAGE_SECONDS)
        await asyncio.to_thread(system.broker.restart, node)


class MemoryAlarm(Fault):
    name = "memory alarm"
    heals = True

    async def strike(self, system: System) -> None:
        await system.ctl("set_vm_memory_high_watermark", "absolute", "1")
        await asyncio.sleep(OUTAGE_SECONDS)
        await system.ctl("set_vm_memory_high_watermark", "0.6")


class DiskAlarm(Fault):
    name = "disk alarm"
    heals = True

    async def strike(self, system: System) -> None:
        await system.ctl("set_disk_free_limit", "100000GB")
        await asyncio.sleep(OUTAGE_SECONDS)
        await system.ctl("set_disk_free_limit", "50MB")


class LogsDeleted(Fault):
    name = "session logs deleted"

    async def strike(self, system: System) -> None:
        logs = await system.session_logs()
        for log in system.random.sample(logs, min(3, len(logs))):
            await _delete_queue(system, log)


class InboxDeleted(Fault):
    name = "inbox deleted"

    async def strike(self, system: System) -> None:
        await _delete_queue(system, system.random.choice(await system.inboxes()))


class ConnectionsCut(Fault):
    name = "network cut"

    async def strike(self, system: System) -> None:
        system.proxy.cut()


class NetworkDelayed(Fault):
    name = "network 200 ms slower"
    heals = True

    async def strike(self, system: System) -> None:
        system.proxy.delay(DELAY_SECONDS)
        await asyncio.sleep(OUTAGE_SECONDS)
        system.proxy.restore()


class NetworkBlackHole(Fault):
    name = "network black hole"
    heals = True

    async def strike(self, system: System) -> None:
        system.proxy.black_hole()
        await asyncio.sleep(OUTAGE_SECONDS)
        system.proxy.restore()


class DatabaseAway(Fault):
    """So long that all heartbeats are old when it is back."""

    name = "database away"
    heals = True

    async def strike(self, system: System) -> None:
        system.database.refuse()
        await asyncio.sleep(SILENT_SECONDS + 0.5)
        system.database.restore()


FAULTS: tuple[type[Fault], ...] = (
    WorkerKilled,
    WorkerFrozen,
    WorkerStopped,
    ApiKilled,
    ApiStopped,
    RollingRestart,
    ConnectionsClosed,
    BrokerRestarted,
    NodeKilled,
    MemoryAlarm,
    DiskAlarm,
    LogsDeleted,
    InboxDeleted,
    ConnectionsCut,
    NetworkDelayed,
    NetworkBlackHole,
    DatabaseAway,
)


class Struck:
    """A fault that was struck, and when, on the monotonic clock."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.began_at = monotonic()
        self.healed_at: float | None = None

    def recovery(self, moved_at: float, now: float) -> float | None:
        """Seconds that a stream needed which fell silent at `moved_at` and moves again `now`; None: not its doing."""
        if now < self.began_at:
            return None
        since = (self.healed_at or now) if self.fault.heals else self.began_at
        return max(now - max(since, moved_at), 0)


async def _delete_queue(system: System, name: str) -> None:
    """It may be gone by itself by now."""
    try:
        await system.ctl("delete_queue", "--vhost", system.broker.vhost, name)
    except CalledProcessError:
        return
