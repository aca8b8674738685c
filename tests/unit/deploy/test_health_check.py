"""The health check of a container asks what runs in it."""

from contextlib import nullcontext
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from deploy import healthcheck


@pytest.mark.parametrize(
    ("word", "asked_ports"), [("api", ["API"]), ("worker", ["WORKER"]), ("", ["API", "WORKER"]), ("celery", [])]
)
@pytest.mark.parametrize("status", [HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_the_image_checks_the_health_of_what_it_runs(
    monkeypatch: pytest.MonkeyPatch, word: str, asked_ports: list[str], status: HTTPStatus
) -> None:
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.server, self.path))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the answer is what counts."""

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Health) as api,
        ThreadingHTTPServer(("127.0.0.1", 0), Health) as worker,
    ):
        monkeypatch.setenv("API_PORT", str(api.server_port))
        monkeypatch.setenv("WORKER_HEALTH_PORT", str(worker.server_port))
        for server in (api, worker):
            Thread(target=server.serve_forever).start()
        try:
            command = ["tini", "--", healthcheck.ENTRYPOINT, *filter(None, [word])]
            with nullcontext() if status is HTTPStatus.OK or not asked_ports else pytest.raises(OSError):
                healthcheck.check(healthcheck.started_as(command))
        finally:
            for server in (api, worker):
                server.shutdown()
        servers = {"API": api, "WORKER": worker}
        expected = asked_ports if status is HTTPStatus.OK else asked_ports[:1]
        assert asked == [(servers[name], "/health") for name in expected]


def test_a_worker_without_a_health_port_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_HEALTH_PORT", "0")
    healthcheck.check("worker")


def test_a_container_of_another_image_s_making_is_not_asked() -> None:
    assert healthcheck.started_as(["python", "-i"]) == ""
