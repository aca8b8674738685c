"""Real proxies: an answer comes through them token by token, and is resumed through them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import Client, new_session, numbered, text_of, types_of
from tests.peers.proxies import KINDS, Kind, running
from tests.processes import Api
from tests.stack import Stack

pytestmark = pytest.mark.anyio

SSE = "text/event-stream"
HELD, ALL = 5, 30


@pytest.fixture(params=KINDS, ids=[kind.name for kind in KINDS])
def proxy(request: pytest.FixtureRequest, api: Api, tmp_path: Path) -> Iterator[str]:
    kind: Kind = request.param
    with running(kind, api.url, tmp_path) as url:
        yield url


@pytest.mark.parametrize("encoding", ["identity", "gzip, deflate, br"])
@pytest.mark.parametrize("mode", ["queue", "direct"])
async def test_an_answer_comes_token_by_token(stack: Stack, proxy: str, mode: str, encoding: str) -> None:
    """What the model has said is there while it says no more."""
    session = new_session()
    model = f"mock?tokens={ALL}&hold_after={HELD}&id={session}"
    async with Client(proxy) as client:
        client.http.headers["Accept-Encoding"] = encoding
        async with client.ask_streaming(accept=SSE, session_id=session, mode=mode, model=model) as stream:
            assert await stream.read_chars(len(numbered(HELD))) == numbered(HELD)
            stack.release(session)
            assert text_of(await stream.rest()) == numbered(ALL)


async def test_a_stream_is_resumed(stack: Stack, proxy: str) -> None:
    session = new_session()
    async with Client(proxy) as client:
        await client.ask(session_id=session, model=f"mock?tokens={ALL}&hold_after={HELD}&id={session}")
        async with client.stream(session) as stream:
            seen = await stream.read_chars(len(numbered(HELD)))
            last_id = stream.last_id
        stack.release(session)
        async with client.stream(session, last_id) as stream:
            events = await stream.rest()
        assert seen + text_of(events) == numbered(ALL)
        assert types_of(events)[-1] == "done"


@pytest.mark.parametrize("proxy", KINDS[:3], ids=[kind.name for kind in KINDS[:3]], indirect=True)
async def test_plain_text_that_breaks_off_does_not_look_whole(proxy: str) -> None:
    """Whatever version of HTTP the proxy speaks with the API. Caddy 2.6 ends such a body in order, by its own account
    ("aborting with incomplete response"); behind it Server-Sent Events tell that an answer broke off."""
    async with Client(proxy) as client:
        client.http.headers["Accept-Encoding"] = "identity"
        fields = {"mode": "direct", "model": f"mock?tokens={ALL}&drop_after={HELD}"}
        text = b""
        broke = False
        async with client.ask_streaming(accept="text/plain", **fields) as stream:
            try:
                async for piece in stream.response.aiter_bytes():
                    text += piece
            except Exception:  # noqa: BLE001 - each proxy breaks off in its own way
                broke = True
        assert broke
        assert numbered(HELD).startswith(text.decode())


async def test_a_prefix_that_nginx_strips(stack: Stack, api: Api, tmp_path: Path) -> None:
    with running(KINDS[0], api.url, tmp_path) as url:
        async with Client(f"{url}/hop") as client:
            accepted = await client.ask(model="mock?tokens=3")
            path = accepted.json()["stream_url"]
            assert path.startswith("/hop/stream/")
        async with Client(url) as client:
            assert '"type":"done"' in (await client.http.get(path)).text
