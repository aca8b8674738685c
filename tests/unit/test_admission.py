"""What a route declares holds for its WebSockets as for its requests: keys, tickets, streams, and what costs money."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, WebSocket
from starlette.types import Message

from api.access.access import Access
from api.access.admission import AdmissionMiddleware
from api.access.origins import Origins
from api.access.policy import RoutePolicies, policy
from api.access.rate_limit import RateLimit
from api.access.stream_limits import StreamLimits
from api.access.tickets import PROTOCOL, TICKET_PROTOCOL
from api.http.handlers import install_handlers
from core.settings import Settings
from core.store.reach import Reach
from core.store.store import Store
from tests.unit.asgi_socket import open_socket

pytestmark = pytest.mark.anyio

ALICE = "alice-0123456789"
SETTINGS = Settings(_env_file=None, api_keys=f"alice:{ALICE}", rate_limit="2/hour")
KEY = {"authorization": f"Bearer {ALICE}"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """It is not opened: each test says what the database is worth to it."""
    store = Store(f"sqlite:///{tmp_path}/test.db")
    yield store
    await store.close()


@pytest.fixture
def access() -> Access:
    return Access(SETTINGS)


@pytest.fixture
def app(store: Store, access: Access) -> FastAPI:
    app = FastAPI()
    install_handlers(app)
    app.state.services = SimpleNamespace(store=store, rate_limit=RateLimit(SETTINGS))
    reached: list[Reach] = []
    app.state.reached = reached

    async def take(websocket: WebSocket) -> None:
        reached.append(websocket.state.reach)
        await websocket.accept()
        await websocket.close()

    async def stay(websocket: WebSocket) -> None:
        """Another comes while it is open."""
        await websocket.accept()
        codes = [message.get("code") for message in await open_socket(app, "/stream", PROTOCOL, headers=KEY)]
        await websocket.close(3000, str(codes[-1]))

    for path, endpoint in (
        ("/dear", policy(costs=True)(take)),
        ("/stream", policy(is_stream=True)(stay)),
    ):
        app.add_api_websocket_route(path, endpoint)

    @app.websocket("/ticket")
    @policy(takes_ticket=True)
    async def with_ticket(websocket: WebSocket) -> None:
        await take(websocket)

    @app.websocket("/plain")
    async def without(websocket: WebSocket) -> None:
        await take(websocket)

    app.add_middleware(
        AdmissionMiddleware,
        policies=RoutePolicies(app.routes),
        access=access,
        origins=Origins(SETTINGS),
        limits=StreamLimits(1, 1),
    )
    return app


def code(sent: list[Message]) -> int:
    return int(sent[-1]["code"])


async def test_what_costs_money_is_counted_when_it_is_opened(app: FastAPI) -> None:
    for left in (1, 0):
        accepted, _ = await open_socket(app, "/dear", PROTOCOL, headers=KEY)
        assert f'"key";r={left};'.encode() in dict(accepted["headers"])[b"ratelimit"]
    assert code(await open_socket(app, "/dear", PROTOCOL, headers=KEY)) == 4429
    assert len(app.state.reached) == 2


async def test_a_socket_is_a_stream_for_as_long_as_it_is_open(app: FastAPI) -> None:
    for _ in range(2):
        assert (await open_socket(app, "/stream", headers=KEY))[-1]["reason"] == "4429"


@pytest.mark.parametrize("path", ["/plain", "/nowhere"])
async def test_a_ticket_opens_only_what_takes_tickets(app: FastAPI, access: Access, store: Store, path: str) -> None:
    await store.open()
    ticket = access.tickets.issue("alice", path)
    assert code(await open_socket(app, path, PROTOCOL, f"{TICKET_PROTOCOL}{ticket}")) == 4401


async def test_a_ticket_reaches_what_its_key_reaches(app: FastAPI, access: Access, store: Store) -> None:
    await store.open()
    ticket = access.tickets.issue("alice", "/ticket")
    assert code(await open_socket(app, "/ticket", PROTOCOL, f"{TICKET_PROTOCOL}{ticket}")) == 1000
    assert app.state.reached == [Reach("alice")]


async def test_no_ticket_is_believed_while_nobody_knows_whether_it_was_used(app: FastAPI, access: Access) -> None:
    ticket = access.tickets.issue("alice", "/ticket")
    assert code(await open_socket(app, "/ticket", PROTOCOL, f"{TICKET_PROTOCOL}{ticket}")) == 4503
    assert code(await open_socket(app, "/ticket", PROTOCOL, headers=KEY)) == 1000
