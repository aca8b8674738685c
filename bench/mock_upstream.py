"""An OpenAI-compatible server scripted by the model's name: the stand-in for a model in bench and tests.

    python -m bench.mock_upstream --port 9000 --tokens 200 --rate 50

| request | answer |
| --- | --- |
| `POST /v1/chat/completions` | the scripted answer, streamed or whole |
| `POST /v1/messages`, `/api/chat`, `/v1/models/…:streamGenerateContent` | its text, streamed, by other APIs |
| `GET /v1/models` | the one model `mock`; any other name does as well |
| `GET /health` | `{"status":"ok"}` |
| `GET /stats` | what it has seen, see bench/record.py |
| `POST /release/ID` | lets the answers of this id go on that `hold_after` holds back |
| `POST /release/ID/N` | lets them go on to their Nth token |

What a model's name can ask for, as in `mock?tokens=200&rate=50`, is told by bench/script.py and by `--help`.
In a test: `async with MockUpstream(rate=0) as mock:`, then `mock.base_url` and `mock.stats`.
"""

import argparse
import asyncio
import resource
import signal
import ssl
from http.client import responses as REASONS
from pathlib import Path
from typing import Any, Self

import msgspec
import uvloop

from bench import script as grammar
from bench.answer import Answer, Question
from bench.gates import ALL, Gates
from bench.http_server import Connection, Request
from bench.other_answers import OtherAnswer, kind_of, question_of
from bench.pacing import PacedAnswer, PacedBody, PacedStream
from bench.record import LastRequest, Record
from bench.script import Script

BACKLOG = 4096  # hundreds of sessions may connect in the same millisecond
RELEASE = "/release/"

_MODELS = msgspec.json.encode(
    {
        "object": "list",
        "data": [{"id": "mock", "object": "model", "created": 1_700_000_000, "owned_by": "mock"}],
    }
)
_FAILURES = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None),
}


class MockUpstream:
    """The server. `defaults` are the script's, as in `MockUpstream(tokens=20, rate=0)`; port 0 is any."""

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, **defaults: Any
    ) -> None:
        self.stats = Record()
        self._defaults = Script.make(defaults)
        self._address = host, port
        self._tls = tls
        self._connections: set[Connection] = set()
        self._gates = Gates()

    async def __aenter__(self) -> Self:
        host, port = self._address
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, host, port, backlog=BACKLOG, ssl=self._tls
        )
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://{host}:{self._server.sockets[0].getsockname()[1]}"
        self.base_url = f"{self.url}/v1"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()

    def _connection(self) -> Connection:
        return Connection(self._handle, self._connections)

    def _handle(self, connection: Connection, request: Request) -> None:
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                self._complete(connection, request)
            case "GET", "/v1/models":
                connection.respond(200, _MODELS)
            case "GET", "/health":
                connection.respond(200, b'{"status":"ok"}')
            case "GET", "/stats":
                connection.respond(200, msgspec.json.encode(self.stats))
            case "POST", path if (kind := kind_of(path)) is not None:
                self._complete_otherwise(connection, request, kind)
            case "POST", path if path.startswith(RELEASE):
                self._release(connection, path.removeprefix(RELEASE))
            case _, "/v1/chat/completions" | "/v1/models" | "/health" | "/stats":
                _refuse(connection, 405, f"Not allowed to {request.method} on {request.path}")
            case _:
                _refuse(connection, 404, f"Invalid URL ({request.method} {request.path})")

    def _release(self, connection: Connection, what: str) -> None:
        name, _, tokens = what.partition("/")
        if tokens and not tokens.isdecimal():
            _refuse(connection, 400, f"Not a number of tokens: {tokens}")
            return
        self._gates.move(name, int(tokens) if tokens else ALL)
        connection.respond(200, b"{}")

    def _complete(self, connection: Connection, request: Request) -> None:
        self.stats.requests += 1
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
            question = msgspec.convert(body, Question)
            script = self._defaults.for_model(question.model)
        except ValueError as error:  # msgspec's errors are ValueErrors, too
            _refuse(connection, 400, str(error))
            return
        self.stats.last_request = LastRequest(
            model=question.model,
            messages=question.messages,
            options={name: value for name, value in body.items() if name not in ("model", "messages")},
            authorized=b"authorization" in request.headers,
        )
        trouble = script.trouble(self.stats.count_try(script.id) if script.id else 1)
        if trouble is not None and trouble.kind == "status":
            _fail(connection, script)
        elif trouble is not None and trouble.kind == "hang":
            PacedAnswer(connection, self.stats, script)
        elif question.stream:
            PacedStream(connection, self.stats, script, Answer(script, question), trouble, self._gates)
        else:
            PacedBody(connection, self.stats, script, Answer(script, question), trouble)

    def _complete_otherwise(self, connection: Connection, request: Request, kind: type[OtherAnswer]) -> None:
        self.stats.requests += 1
        try:
            question = question_of(request.path, msgspec.json.decode(request.body))
            script = self._defaults.for_model(question.model)
        except (ValueError, KeyError, TypeError) as error:
            _refuse(connection, 400, str(error))
            return
        PacedStream(connection, self.stats, script, kind(script, question), None, self._gates)


def _fail(connection: Connection, script: Script) -> None:
    status = script.status or 500
    failure = _FAILURES.get(status, (REASONS.get(status, "Unknown"), "server_error", None))
    headers = {} if script.retry_after is None else {"retry-after": f"{script.retry_after:g}"}
    connection.respond(status, _error(*failure), headers=headers)


def _refuse(connection: Connection, status: int, message: str) -> None:
    connection.respond(status, _error(message, "invalid_request_error", None))


def _error(message: str, kind: str, code: str | None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


async def serve(host: str, port: int, tls: ssl.SSLContext | None, defaults: dict[str, Any]) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with MockUpstream(host=host, port=port, tls=tls, **defaults) as mock:
        print(mock.url, flush=True)
        await stop.wait()


def main() -> None:
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(
        "bench.mock_upstream",
        description=summary,
        epilog=grammar.__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0 takes any free one")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="serve TLS; FILE has its key, too (PEM)")
    for name, help_text in (
        ("tokens", "tokens of an answer"),
        ("rate", "tokens per second, 0 is as fast as the client reads"),
        ("ttft", "seconds to the first token"),
        ("jitter", "seconds a token may be late, by chance"),
        ("text", "numbered, stamped or lorem"),
    ):
        parser.add_argument(f"--{name}", default=getattr(Script(), name), help=f"{help_text} (%(default)s)")
    options = vars(parser.parse_args())
    host, port, certificate = options.pop("host"), options.pop("port"), options.pop("certificate")
    try:
        Script.make(options)
    except ValueError as error:
        parser.error(str(error))
    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    raise_open_files_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(host, port, tls, options))


def raise_open_files_limit() -> None:
    """A connection is a file, and the usual limit of 1,024 is less than the bench's sessions."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
