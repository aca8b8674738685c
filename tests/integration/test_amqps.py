"""TLS to RabbitMQ, which ends at a proxy in front of the real broker: a right certificate, and three wrong ones."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.client import Client, new_session, numbered
from tests.integration.conftest import eventually
from tests.proxy import Proxy
from tests.stack import Stack

pytestmark = pytest.mark.anyio

REFUSED = "the broker's certificate was refused, see RABBIT_MQ_CA"


@contextmanager
def tls_broker(broker: str, authority: trustme.CA, *names: str) -> Iterator[Proxy]:
    """The broker as an amqps server whose certificate is for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    with Proxy(broker, tls=context) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return str(file)


async def test_api_and_worker_talk_to_a_broker_of_our_own_authority(
    broker: str, authority: trustme.CA, ca_file: str, stack: Stack
) -> None:
    with tls_broker(broker, authority, "127.0.0.1") as proxy:
        settings: dict[str, Any] = {"RABBIT_MQ": proxy.url, "RABBIT_MQ_CA": ca_file}
        assert proxy.url.startswith("amqps://")
        api = stack.start_api(**settings)
        stack.start_worker(**settings)
        async with Client(api.url) as client:
            session = new_session()
            await client.ask(session_id=session, model="mock?tokens=20")
            assert (await client.until(session, "done"))["text"] == numbered(20)
        # Three of the API, one of the worker's own and one or more of Celery's: none went past TLS.
        assert proxy.connections >= 5


@pytest.mark.parametrize("wrong", ["another authority", "the system's authorities", "another name"])
async def test_a_wrong_certificate_is_refused_and_the_log_says_so(
    broker: str, authority: trustme.CA, ca_file: str, stack: Stack, wrong: str
) -> None:
    issuer = trustme.CA() if wrong == "another authority" else authority
    name = "elsewhere.example" if wrong == "another name" else "127.0.0.1"
    with tls_broker(broker, issuer, name) as proxy:
        settings: dict[str, Any] = {"RABBIT_MQ": proxy.url}
        if wrong != "the system's authorities":
            settings["RABBIT_MQ_CA"] = ca_file
        api = stack.start_api(ready=False, **settings)
        worker = stack.launch_worker(**settings)
        await eventually(lambda: REFUSED in api.output())
        # The worker has two clients: our own connection, and Celery's.
        await eventually(lambda: REFUSED in worker.output())
        await eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in worker.output())
        reason = "IP address mismatch" if wrong == "another name" else "unable to get local issuer"
        assert reason in api.output()
        assert reason in worker.output()
        async with Client(api.url) as client:
            assert (await client.http.get("/health")).json()["broker"] == "down"
        assert " ready." not in worker.output()


async def test_the_url_cannot_switch_verification_off(broker: str, authority: trustme.CA, stack: Stack) -> None:
    with tls_broker(broker, authority, "127.0.0.1") as proxy:
        for process in (
            stack.launch_api(RABBIT_MQ=f"{proxy.url}?no_verify_ssl=1"),
            stack.launch_worker(RABBIT_MQ=f"{proxy.url}?no_verify_ssl=1"),
        ):
            assert process.wait() != 0
            assert "RABBIT_MQ: has the option no_verify_ssl" in process.output()
            assert "Traceback" not in process.output()
