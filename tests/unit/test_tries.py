"""How often and how long a model's service is asked that fails before its first token."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from core.model.errors import ProviderError
from core.model.parts import Part, Text
from core.providers.base import Finish, Message, Request
from core.settings import Settings
from core.turns import tries as module
from core.turns.tries import Tries
from tests.unit.scripted import FINISH, Item, Scripted

pytestmark = pytest.mark.anyio

REQUEST = Request("m", [Message("user", "hi")])
AWAY: list[Item] = [ProviderError("not there", transient=True, is_away=True)]
BUSY: list[Item] = [ProviderError("busy", transient=True)]
LATER: list[Item] = [ProviderError("later", transient=True, retry_after=30)]
FINAL: list[Item] = [ProviderError("no")]
ANSWER: list[Item] = [Text("a"), FINISH]
WAIT = 0.01


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_back_off", lambda _: 0)
    monkeypatch.setattr(module, "_look_again", lambda _: WAIT)


def tries_of(seconds: float = 60, retries: int = 2) -> Tries:
    return Tries(Settings(provider_retry_seconds=seconds, provider_retries=retries))


async def fail(tries: Tries, provider: Scripted) -> str:
    with pytest.raises(ProviderError) as raised:
        await tries.open(provider, REQUEST)
    return raised.value.message


async def test_a_failure_that_passes_is_tried_so_often() -> None:
    assert await fail(tries_of(retries=2), provider := Scripted(BUSY)) == "busy"
    assert len(provider.requests) == 3


async def test_a_service_that_is_away_is_waited_for() -> None:
    provider = Scripted(*[AWAY] * 20, ANSWER)
    first, stream = await tries_of(retries=0).open(provider, REQUEST)
    assert first == [Text("a")]
    assert len(provider.requests) == 21
    await stream.aclose()


async def test_it_is_waited_for_so_long() -> None:
    assert await fail(tries_of(seconds=5 * WAIT), provider := Scripted(AWAY)) == "not there"
    assert 2 <= len(provider.requests) <= 6


async def test_times_away_do_not_count_among_the_tries() -> None:
    provider = Scripted(BUSY, *[AWAY] * 5, BUSY, AWAY, ANSWER)
    _, stream = await tries_of(retries=2).open(provider, REQUEST)
    await stream.aclose()
    assert await fail(tries_of(retries=1), Scripted(BUSY, *[AWAY] * 5, BUSY, ANSWER)) == "busy"


async def test_all_beginnings_of_an_answer_share_the_time() -> None:
    tries = tries_of(seconds=2.5 * WAIT)
    _, stream = await tries.open(Scripted(AWAY, AWAY, ANSWER), REQUEST)
    await stream.aclose()
    await fail(tries, provider := Scripted(AWAY, ANSWER))
    assert len(provider.requests) == 1


async def test_a_silent_service_uses_up_the_time() -> None:
    class Silent(Scripted):
        async def _items(self, request: Request) -> AsyncGenerator[list[Part] | Finish]:
            await asyncio.sleep(0.02)
            async for item in super()._items(request):
                yield item

    await fail(tries_of(seconds=0.01), provider := Silent(BUSY))
    assert len(provider.requests) == 1


@pytest.mark.parametrize("script", [LATER, FINAL])
async def test_what_will_not_pass_in_time_is_not_waited_for(script: list[Item]) -> None:
    await fail(tries_of(seconds=29), provider := Scripted(script, ANSWER))
    assert len(provider.requests) == 1
