"""Real clients: each asks in its own way, gets an answer token by token, and resumes it when its connection is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import new_session, numbered
from tests.integration.conftest import eventually
from tests.peers.clients import KINDS, Kind, asking
from tests.processes import Api
from tests.proxy import Proxy
from tests.stack import Stack

pytestmark = pytest.mark.anyio

HELD, ALL = 5, 30


@pytest.fixture(scope="module")
def line(api: Api) -> Iterator[Proxy]:
    with Proxy(api.url) as proxy:
        yield proxy


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
async def test_an_answer_survives_a_lost_connection(stack: Stack, line: Proxy, kind: Kind, tmp_path: Path) -> None:
    session = new_session()
    model = f"mock?tokens={ALL}&hold_after={HELD}&id={session}"
    with asking(kind, line.url.rstrip("/"), session, model, tmp_path) as client:
        await eventually(lambda: client.text == numbered(HELD) or client.has_ended())
        assert client.text == numbered(HELD), client.errors
        line.cut()
        stack.release(session)
        await eventually(client.has_ended)
        assert client.text == numbered(ALL), client.errors
        assert client.process.returncode == 0
