"""A worker with another database than the API's, as containers get that share no DATABASE_URL: it says so, and answers
nothing; a worker with the right one does."""

from pathlib import Path

import pytest

from tests.client import Client, new_session, numbered, text_of
from tests.integration.conftest import eventually
from tests.stack import Stack

pytestmark = pytest.mark.anyio


async def test_a_worker_of_another_database_leaves_the_job(broker: str, tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        api = stack.start_api()
        other = f"sqlite:///{tmp_path}/other.db"
        stranger = stack.start_worker(DATABASE_URL=other)
        session = new_session()
        async with Client(stack.start_api(DATABASE_URL=other).url) as elsewhere:
            await elsewhere.ask(session_id=session, model="mock?tokens=2")  # the same name there
            await elsewhere.until(session, "done")
        async with Client(api.url) as client:
            await client.ask(session_id=session, model="mock?tokens=20")
            await eventually(lambda: "give the API and all its workers the same DATABASE_URL" in stranger.output())
            stack.start_worker()
            async with client.stream(session) as stream:
                assert text_of(await stream.rest()) == numbered(20)
