"""The fake relay in an app: who posts is answered without a controller, a worker or a broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.narrator.fake_relay import FakeRelay
from api.narrator.relay import RelayFailed
from core.settings import Settings
from tests.integration.conftest import assert_problem
from tests.unit.narrator.conftest import NO_BROKER, eventually

pytestmark = pytest.mark.anyio


def settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/test.db", rabbit_mq=NO_BROKER, **values)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Once its database is open."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):

        async def is_open() -> bool:
            return (await client.get("/controllers")).status_code == 200

        await eventually(is_open)
        yield client


async def test_an_app_gets_one_handed_in(tmp_path: Path) -> None:
    relay = FakeRelay(["All is well.", RelayFailed("the controller is tired")])
    async with served(create_app(settings(tmp_path), relay=relay)) as client:
        response = await client.post("/narrator/messages", json={"message": "What is new?", "workspaceId": "demo"})
        refused = await client.post("/narrator/messages", json={"message": "And now?", "workspaceId": "demo"})
        feed = (await client.get("/narrator/feed", params={"workspaceId": "demo"})).json()
    assert response.status_code == 202
    told = response.json()
    assert told == {
        "eventId": told["eventId"],
        "conversationId": "narrator-demo",
        "workspaceId": "demo",
        "taskId": str(told["eventId"]),
        "controller": "controller",
        "epoch": None,
        "narration": "All is well.",
    }
    assert_problem(refused, 502, "relay_failed")
    assert [message.message for message in relay.asked] == ["What is new?", "And now?"]
    assert [event["type"] for event in feed["events"]] == ["USER_MESSAGE", "NARRATION", "USER_MESSAGE", "ERROR"]
    assert (feed["next"], feed["conversationId"]) == (4, "narrator-demo")


async def test_a_process_of_tests_gets_one_by_a_setting(tmp_path: Path) -> None:
    async with served(create_app(settings(tmp_path, env="test", narrator_relay="fake:All is well."))) as client:
        response = await client.post("/narrator/messages", json={"message": "What is new?"})
    assert response.json()["narration"] == "All is well."


async def test_a_conversation_without_turns_is_deleted_with_what_was_told_in_it(tmp_path: Path) -> None:
    async with served(create_app(settings(tmp_path), relay=FakeRelay(["All is well."]))) as client:
        await client.post("/narrator/messages", json={"message": "What is new?", "conversationId": "s"})
        assert_problem(await client.get("/sessions/s"), 404, "not_found")
        assert (await client.delete("/sessions/s")).status_code == 204
        assert_problem(await client.delete("/sessions/s"), 404, "not_found")
        assert (await client.get("/narrator/feed", params={"conversationId": "s"})).json()["events"] == []


@pytest.mark.parametrize("env", ["development", "production"])
def test_where_people_are_served_it_does_not_start(tmp_path: Path, env: str) -> None:
    keys = {"alice": "alice-0123456789ab"}
    with pytest.raises(SystemExit, match=f"NARRATOR_RELAY: .*ENV=test.*{env}"):
        create_app(settings(tmp_path, env=env, narrator_relay="fake:x", api_keys=keys))
