"""Who is asked, how often and how long, until an answer begins."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from functools import partial
from typing import Any

import pytest
from tenacity import AsyncRetrying

from core.model.errors import ContextTooLong, EmptyAnswer, ProviderError, UnsupportedOption
from core.model.parts import Part, Text
from core.providers.base import Finish, Kept, Message, Request, Stream
from core.providers.catalogue.catalogue import Route
from core.providers.catalogue.circuit import Circuit, CircuitState
from core.providers.catalogue.models import Model
from core.settings import Settings
from core.turns.attempts import tries as module
from core.turns.attempts.tries import Opened, Tries
from tests.unit.scripted import FINISH, Item, Scripted

pytestmark = pytest.mark.anyio

AWAY: list[Item] = [ProviderError("not there", transient=True, is_away=True)]
BUSY: list[Item] = [ProviderError("busy", transient=True)]
SILENT: list[Item] = [ProviderError("silent", transient=True, is_silent=True)]
LATER: list[Item] = [ProviderError("later", transient=True, retry_after=30)]
SOON: list[Item] = [ProviderError("soon", transient=True, is_rate_limit=True, retry_after=0.01)]
FINAL: list[Item] = [ProviderError("no")]
REFUSED: list[Item] = [ProviderError("against the policy", is_of_request=True)]
TOO_LONG: list[Item] = [ContextTooLong("too long")]
EMPTY: list[Item] = [Finish("stop")]
ANSWER: list[Item] = [Text("a"), FINISH]
WAIT = 10.0  # seconds, of which none passes


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_back_off", lambda _: 0)
    monkeypatch.setattr(module, "_look_again", lambda _: WAIT)
    monkeypatch.setattr(module, "_moment", lambda: 0)
    monkeypatch.setattr(module, "AsyncRetrying", partial(AsyncRetrying, sleep=_no_time))


def _no_time(_: float) -> Awaitable[None]:
    return asyncio.sleep(0)


def tries_of(seconds: float = 100 * WAIT, retries: int = 2) -> Tries:
    return Tries(Settings(provider_retry_seconds=seconds, provider_retries=retries), Stream.aclose)


def route_to(provider: Scripted, name: str = "m", **traits: Any) -> Route:
    return Route(Model(name=name, provider="demo", **traits), provider, Circuit(name))


def ask(model: Model) -> Request:
    return Request(model.service_model, [Message("user", "hi")])


async def open_one(tries: Tries, provider: Scripted) -> Opened:
    return await tries.open([route_to(provider)], ask)


async def fail(tries: Tries, provider: Scripted) -> str:
    with pytest.raises(ProviderError) as raised:
        await open_one(tries, provider)
    return raised.value.message


async def test_a_failure_that_passes_is_tried_so_often() -> None:
    assert await fail(tries_of(retries=2), provider := Scripted(BUSY)) == "busy"
    assert len(provider.requests) == 3


async def test_a_service_that_is_away_is_waited_for() -> None:
    provider = Scripted(*[AWAY] * 20, ANSWER)
    opened = await open_one(tries_of(retries=0), provider)
    assert (opened.first, len(provider.requests)) == ([Text("a")], 21)
    await opened.stream.aclose()


async def test_it_is_waited_for_so_long() -> None:
    assert await fail(tries_of(seconds=5 * WAIT), provider := Scripted(AWAY)) == "not there"
    assert 5 <= len(provider.requests) <= 6


async def test_times_away_do_not_count_among_the_tries() -> None:
    provider = Scripted(BUSY, *[AWAY] * 5, BUSY, AWAY, ANSWER)
    await (await open_one(tries_of(retries=2), provider)).stream.aclose()
    assert await fail(tries_of(retries=1), Scripted(BUSY, *[AWAY] * 5, BUSY, ANSWER)) == "busy"


async def test_all_beginnings_of_an_answer_share_the_time() -> None:
    tries = tries_of(seconds=2.5 * WAIT)
    await (await open_one(tries, Scripted(AWAY, AWAY, ANSWER))).stream.aclose()
    await fail(tries, provider := Scripted(AWAY, ANSWER))
    assert len(provider.requests) == 1


class Slow(Scripted):
    async def _items(self, request: Request) -> AsyncGenerator[list[Part] | Finish]:
        await asyncio.sleep(0.02)
        async for item in super()._items(request):
            yield item


async def test_a_silent_service_uses_up_the_time() -> None:
    await fail(tries_of(seconds=0.01), provider := Slow(BUSY))
    assert len(provider.requests) == 1


@pytest.mark.parametrize("script", [LATER, FINAL])
async def test_what_will_not_pass_in_time_is_not_waited_for(script: list[Item]) -> None:
    await fail(tries_of(seconds=29), provider := Scripted(script, ANSWER))
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        pytest.param([BUSY, BUSY], 2, id="busy twice"),
        pytest.param([AWAY, AWAY], 2, id="away twice"),
        pytest.param([SILENT], 1, id="silent, which would cost as long again"),
        pytest.param([LATER], 1, id="wants a long wait"),
        pytest.param([FINAL], 1, id="a wrong key, or no such model"),
        pytest.param([EMPTY], 1, id="without a word"),
    ],
)
async def test_another_one_answers(script: list[list[Item]], asked: int) -> None:
    chain = [route_to(first := Scripted(*script), "first"), route_to(Scripted(ANSWER), "second")]
    tries = tries_of(retries=0)
    opened = await tries.open(chain, ask)
    assert (opened.route.model.name, len(first.requests)) == ("second", asked)
    assert [each.model for each in tries.record] == ["first"] * asked
    await opened.stream.aclose()


@pytest.mark.parametrize("script", [[BUSY, ANSWER], [SOON, ANSWER]])
async def test_a_bad_moment_is_not_another_one_s_turn(script: list[list[Item]]) -> None:
    chain = [route_to(Scripted(*script), "first"), route_to(Scripted(ANSWER), "second")]
    opened = await tries_of().open(chain, ask)
    assert opened.route.model.name == "first"
    await opened.stream.aclose()


async def test_what_everybody_would_refuse_is_asked_of_nobody_else() -> None:
    chain = [route_to(Scripted(REFUSED)), route_to(second := Scripted(ANSWER))]
    with pytest.raises(ProviderError, match="against the policy"):
        await tries_of().open(chain, ask)
    assert second.requests == []


async def test_a_fallback_that_cannot_be_asked_is_passed_over() -> None:
    def ask_all_but_one(model: Model) -> Request:
        if model.name == "second":
            raise UnsupportedOption("no tools")
        return ask(model)

    names = {"first": Scripted(FINAL), "second": Scripted(ANSWER), "third": Scripted(ANSWER)}
    opened = await tries_of().open([route_to(provider, name) for name, provider in names.items()], ask_all_but_one)
    assert opened.route.model.name == "third"
    await opened.stream.aclose()


async def test_an_open_circuit_is_no_reason_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only a fallback does not take is asked of the model itself, dead or not."""
    first = route_to(Scripted(ANSWER), "first")
    for _ in range(3):
        first.circuit.failed(ProviderError("busy", transient=True))

    def ask_all_but_the_second(model: Model) -> Request:
        if model.name == "second":
            raise UnsupportedOption("no tools")
        return ask(model)

    opened = await tries_of().open([first, route_to(Scripted(ANSWER), "second")], ask_all_but_the_second)
    assert opened.route.model.name == "first"
    await opened.stream.aclose()


async def test_who_is_not_patient_does_not_wait() -> None:
    route = route_to(away := Scripted(AWAY))
    with pytest.raises(ProviderError):
        await tries_of().open([route], ask, is_patient=False)
    assert len(away.requests) == 2


async def test_a_kept_answer_that_is_gone_says_nothing_of_its_service() -> None:
    route = route_to(Scripted(FINAL))
    with pytest.raises(ProviderError):
        await tries_of().open([route], lambda model: Request(model.service_model, [], kept=Kept("r1")))
    assert route.circuit.state is CircuitState.CLOSED


@pytest.mark.parametrize(("context", "answers"), [(None, False), (1000, False), (1001, True)])
async def test_what_is_too_long_is_for_one_that_reads_more(context: int | None, answers: bool) -> None:
    first, second = Scripted(TOO_LONG), Scripted(ANSWER)
    chain = [route_to(first, "first", context=1000), route_to(second, "second", context=context)]
    if answers:
        await (await tries_of().open(chain, ask)).stream.aclose()
    else:
        with pytest.raises(ContextTooLong):
            await tries_of().open(chain, ask)
    assert (len(first.requests), len(second.requests)) == (1, int(answers))


async def test_what_somebody_has_begun_to_answer_is_no_fault_of_the_request() -> None:
    """After a drop the next one may take no such option: those after it do."""
    tries = tries_of()
    await (await open_one(tries, Scripted(ANSWER))).stream.aclose()
    opened = await tries.open([route_to(Scripted(REFUSED)), route_to(Scripted(ANSWER), "other")], ask)
    assert opened.route.model.name == "other"
    await opened.stream.aclose()


async def test_the_first_one_s_failure_is_told() -> None:
    with pytest.raises(ProviderError, match="busy"):
        await tries_of(retries=1).open([route_to(Scripted(BUSY)), route_to(Scripted(FINAL))], ask)


async def test_a_first_token_is_not_waited_for_long_where_another_one_could_send_it() -> None:
    slow = route_to(Slow(ANSWER), "slow", first_token_seconds=0.001)
    opened = await tries_of().open([slow, route_to(Scripted(ANSWER), "quick")], ask)
    assert opened.route.model.name == "quick"
    await opened.stream.aclose()
    opened = await tries_of().open([slow], ask)
    assert opened.route.model.name == "slow"
    await opened.stream.aclose()


async def test_a_dead_service_is_asked_no_more_until_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("core.providers.catalogue.circuit.monotonic", lambda: now)
    first = route_to(dead := Scripted(*[BUSY] * 3, BUSY, ANSWER), "first")
    chain = [first, route_to(Scripted(ANSWER), "second")]

    async def answering() -> str:
        opened = await tries_of().open(chain, ask)
        await opened.stream.aclose()
        opened.route.circuit.succeeded()
        return opened.route.model.name

    assert [await answering() for _ in range(4)] == ["second"] * 4
    assert (len(dead.requests), first.circuit.state) == (3, CircuitState.OPEN)
    now += 10
    assert await answering() == "second"
    assert len(dead.requests) == 4  # one finds out, and no more
    now += 10
    assert [await answering() for _ in range(2)] == ["first"] * 2
    assert first.circuit.state is CircuitState.CLOSED


async def test_the_last_one_left_is_asked_all_the_same() -> None:
    chain = [route_to(first := Scripted(*[BUSY] * 5, ANSWER), "first"), route_to(Scripted(FINAL), "second")]
    for _ in range(2):
        with pytest.raises(ProviderError):
            await tries_of(retries=1).open(chain, ask)
    assert [route.circuit.state for route in chain] == [CircuitState.OPEN] * 2
    opened = await tries_of().open(chain, ask)
    assert opened.route.model.name == "first"
    assert len(first.requests) == 6
    await opened.stream.aclose()


async def test_a_request_that_finds_out_and_is_cancelled_leaves_the_place_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("core.providers.catalogue.circuit.monotonic", lambda: now)
    circuit = Circuit("m")
    for _ in range(3):
        circuit.failed(ProviderError("busy", transient=True))
    now += 10
    assert (circuit.admits(), circuit.admits(), circuit.state) == (True, False, CircuitState.HALF_OPEN)
    now += 10
    assert circuit.admits()


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ProviderError("slow down", transient=True, is_rate_limit=True), 10),
        (ProviderError("slow down", transient=True, is_rate_limit=True, retry_after=33), 33),
        (ProviderError("in a day", transient=True, is_rate_limit=True, retry_after=86_400), 600),
        (ProviderError("a wrong key"), 60),
        (ProviderError("once", transient=True), 0),
        (ContextTooLong("too long"), 0),
        (EmptyAnswer("nothing"), 0),
    ],
)
def test_how_long_a_circuit_is_open(monkeypatch: pytest.MonkeyPatch, error: ProviderError, seconds: float) -> None:
    now = 1000.0
    monkeypatch.setattr("core.providers.catalogue.circuit.monotonic", lambda: now)
    circuit = Circuit("m")
    circuit.failed(error)
    now += seconds - 0.1
    assert circuit.admits() is (seconds == 0)
    now += 0.1
    assert circuit.admits()
