"""The sixteen faults of Failover Bench's catalogue, at its strictest grade: rescued, with every check clean, those that
it calls advisory as well. Names and checks are the catalogue's (scenarios/catalogue.yaml); the answers come through the
queue."""

from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import Any, NamedTuple

import anyio
import pytest

from core.providers.catalogue.circuit import OPEN_SECONDS
from tests.client import Client, SseEvent, new_session, text_of
from tests.integration.failover_wall import ANSWER, OUTAGE_SECONDS, RETRY_AFTER, SLOW_SECONDS, Wall
from tests.patience import PATIENCE_SECONDS, promised
from tests.processes import Api
from tests.serving import serving
from tests.stack import Stack

pytestmark = pytest.mark.anyio

FIRST_TOKEN_SECONDS = 2.0
"""Of those that do not begin; the others have as long as a busy machine takes."""
SILENT = ("s06", "s07")
STALL_SECONDS = 4.0
MODELS = """
[[model]]
name = "{name}"
provider = "openai"
base_url = "{url}"
context = {context}
fallbacks = {fallbacks}
first_token_seconds = {seconds}
"""


class Site(NamedTuple):
    client: Client
    wall: Wall


@pytest.fixture(scope="module")
def served(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Wall]]:
    home = tmp_path_factory.mktemp("failover")
    with serving("tests.integration.failover_wall") as url:
        wall = Wall(url)
        tables = [_table(wall, name, ["no-prefill" if name == "s14" else "fb-ok"], 1000) for name in _NAMES]
        tables += [_table(wall, name, [], 2000) for name in ("fb-ok", "no-prefill")]
        (home / "models.toml").write_text("".join(tables))
        settings = {"MODELS_FILE": str(home / "models.toml"), "PROVIDER_TIMEOUT": str(STALL_SECONDS)}
        with Stack(home, **settings) as stack:
            api = stack.start_api()
            stack.start_worker()
            anyio.run(_warm_up, api)
            yield api, wall


async def _warm_up(api: Api) -> None:
    """The first answer of a worker waits for what it loads late: no fault of the model that is asked."""
    async with Client(api.url) as client:
        await client.ask(session_id=(session := new_session()), model="no-prefill")
        await client.until(session, "done")


@pytest.fixture
async def site(served: tuple[Api, Wall]) -> AsyncIterator[Site]:
    api, wall = served
    async with Client(api.url) as client:
        yield Site(client, wall)


_NAMES = [f"s{number:02d}" for number in range(1, 17)]


def _table(wall: Wall, name: str, fallbacks: list[str], context: int) -> str:
    seconds = FIRST_TOKEN_SECONDS if name in SILENT else PATIENCE_SECONDS
    return MODELS.format(
        name=name, url=f"{wall.url}/v1", context=context, fallbacks=fallbacks, seconds=seconds
    ).replace("'", '"')


async def ask(site: Site, model: str) -> tuple[list[SseEvent], dict[str, Any]]:
    """The events of an answer, and its turn."""
    session = new_session()
    await site.client.ask("Explain.", session_id=session, model=model)
    events = await site.client.read(session)
    return events, await site.client.turn(session)


async def rescued(site: Site, model: str, by: str) -> dict[str, Any]:
    """Asks, and checks what every scenario wants: the whole answer, told to be by the one that has given it."""
    events, turn = await ask(site, model)
    assert text_of(events) == turn["text"] == ANSWER
    done = events[-1].data
    assert (done["type"], done["finish_reason"], done["model"], done["provider"]) == ("done", "stop", by, "openai")
    assert (turn["served_model"], turn["usage"]["output_tokens"]) == (by, 60)
    assert [event.data["model"] for event in events if event.data.get("type") in ("start", "restart")][-1] == by
    return turn


async def is_alive(site: Site) -> None:
    await rescued(site, "fb-ok", "fb-ok")


async def test_s01_a_429_with_retry_after_is_waited_for(site: Site) -> None:
    await rescued(site, "s01", "s01")
    assert len(attempts := site.wall.attempts("s01")) == 2
    assert attempts[1] >= RETRY_AFTER * 0.9


async def test_s02_one_that_stays_is_not_hammered(site: Site) -> None:
    await rescued(site, "s02", "fb-ok")
    attempts = site.wall.attempts("s02")
    assert len(attempts) <= 6
    assert sum(at < 3 for at in attempts) <= 4


async def test_s03_a_500_that_passes_is_asked_again(site: Site) -> None:
    await rescued(site, "s03", "s03")
    assert len(site.wall.attempts("s03")) == 2


async def test_s04_a_503_that_stays_is_another_one_s_turn(site: Site) -> None:
    await rescued(site, "s04", "fb-ok")
    assert len(site.wall.attempts("s04")) <= 6


async def test_s05_a_connection_that_is_reset(site: Site) -> None:
    await rescued(site, "s05", "s05")


async def test_s06_a_silent_route_is_not_asked_again(site: Site) -> None:
    with promised(FIRST_TOKEN_SECONDS + 3):
        await rescued(site, "s06", "fb-ok")
    assert len(site.wall.attempts("s06")) == 1


async def test_s07_a_first_token_that_does_not_come(site: Site) -> None:
    with promised(SLOW_SECONDS / 2):
        await rescued(site, "s07", "fb-ok")


async def test_s08_a_stream_that_is_cut(site: Site) -> None:
    turn = await rescued(site, "s08", "fb-ok")
    assert [(each["model"], each["outcome"]) for each in turn["tries"]] == [("s08", "provider_drop"), ("fb-ok", "stop")]


async def test_s09_a_stream_that_stalls(site: Site) -> None:
    with promised(STALL_SECONDS + 3):
        await rescued(site, "s09", "fb-ok")
    await is_alive(site)


async def test_s10_a_chunk_that_cannot_be_read_is_passed_over(site: Site) -> None:
    turn = await rescued(site, "s10", "s10")
    assert turn["attempt"] == 1
    await is_alive(site)


async def test_s11_a_stream_without_its_last_word(site: Site) -> None:
    with promised(4):
        await rescued(site, "s11", "s11")


async def test_s12_what_is_too_long_is_for_one_that_reads_more(site: Site) -> None:
    await rescued(site, "s12", "fb-ok")
    assert len(site.wall.attempts("s12")) == 1


async def test_s13_what_is_against_the_policy_is_asked_of_nobody_else(site: Site) -> None:
    before = len(site.wall.seen())
    events, turn = await ask(site, "s13")
    assert (events[-1].data["type"], turn["status"]) == ("error", "error")
    assert "Against the policy." in events[-1].data["message"]
    assert [seen.model for seen in site.wall.seen()[before:]] == ["s13"]


async def test_s14_a_fallback_is_not_asked_to_go_on(site: Site) -> None:
    await rescued(site, "s14", "no-prefill")
    assert "assistant" not in {seen.role for seen in site.wall.seen()}


async def test_s15_one_that_flaps_is_left_alone_and_found_again(site: Site) -> None:
    began = monotonic()
    served: list[str] = []
    while not served or served[-1] != "s15":
        events, turn = await ask(site, "s15")
        assert text_of(events) == ANSWER
        served.append(turn["served_model"])
        assert monotonic() - began < OUTAGE_SECONDS + OPEN_SECONDS + PATIENCE_SECONDS
        await anyio.sleep(0.6)
    down = [at for at in site.wall.attempts("s15") if at < OUTAGE_SECONDS]
    assert len(served) > len(down)  # a circuit that is open costs nobody anything
    assert len(down) <= 4
    _, turn = await ask(site, "s15")
    assert turn["served_model"] == "s15"


async def test_s16_who_has_answered_is_told_and_paid(site: Site) -> None:
    turn = await rescued(site, "s16", "fb-ok")
    assert len(site.wall.attempts("s16")) <= 6
    failed, answered = turn["tries"][:-1], turn["tries"][-1]
    assert {(each["model"], each["outcome"], each["usage"]) for each in failed} == {("s16", "provider_error", None)}
    assert (answered["model"], answered["usage"]["output_tokens"]) == ("fb-ok", 60)


async def test_a_circuit_that_is_open_is_told(site: Site) -> None:
    for _ in range(3):
        await ask(site, "s04")
    with anyio.fail_after(PATIENCE_SECONDS):
        while "s04" not in (health := (await site.client.http.get("/health")).json())["circuits"]:  # noqa: ASYNC110
            await anyio.sleep(0.1)
    assert health["circuits"]["s04"] in ("open", "half_open")
