"""Uses the running stack as a client would, with the standard library alone: smoke.py HOST PORT.

One line for each check; the exit code is 1 if one failed. Uses the first key of API_KEYS in the environment, if any.
"""

import http.client
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

SILENCE_SECONDS = 90  # a slow model's first token; a stream sends something every 15 s
SHOWN_BYTES = 400  # of an answer that was not expected
MESSAGE = "Say hello in one short sentence."


class Failed(Exception):
    """What was found instead."""


class Stack:
    def __init__(self, host: str, port: int, api_keys: str = "") -> None:
        self.host = host
        self.port = port
        self.headers = {"Content-Type": "application/json", "Connection": "close"}
        if api_keys:
            self.headers["Authorization"] = f"Bearer {first_key(api_keys)}"
        self.sessions: list[str] = []
        self.stream_url = ""

    def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, expected: int = 200
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SILENCE_SECONDS)
        content = json.dumps(body) if body is not None else None
        connection.request(method, path, content, self.headers)
        response = connection.getresponse()
        if response.status != expected:
            answer = response.read(SHOWN_BYTES).decode(errors="replace")
            raise Failed(f"{method} {path} was answered {response.status}: {answer}")
        return response

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, expected: int = 200) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.send(method, path, body, expected).read())
        return answer

    def check_health(self) -> str:
        health = self.ask("GET", "/health")
        return "broker {broker}, store {store}, workers {workers}, provider {provider}".format(**health)

    def check_test(self) -> str:
        test = self.ask("GET", "/test")
        return f"{test['model']} answered in {test['latency_ms']:.0f} ms"

    def check_direct_chat(self) -> str:
        response = self.send("POST", "/chat", {"message": MESSAGE, "mode": "direct"})
        self.sessions.append(response.headers["X-Session-ID"])
        text = response.read().decode()
        if not text.strip():
            raise Failed("the answer is empty")
        return f"{len(text)} characters"

    def check_queue_chat(self) -> str:
        accepted = self.ask("POST", "/chat", {"message": MESSAGE, "mode": "queue"}, expected=202)
        self.sessions.append(accepted["session_id"])
        self.stream_url = accepted["stream_url"]
        return f"turn {accepted['turn']} of session {accepted['session_id']} accepted"

    def check_stream(self) -> str:
        if not self.stream_url:
            raise Failed("the queue took no turn that could be streamed")
        chunks = []
        for line in self.send("GET", self.stream_url):
            if not line.startswith(b"data:"):
                continue
            event = json.loads(line.removeprefix(b"data:"))
            if "chunk" in event:
                chunks.append(event["chunk"])
            elif event.get("type") == "restart":
                chunks.clear()
            elif event.get("type") == "error":
                raise Failed(f"the turn ended with {event['code']}: {event['message']}")
            elif event.get("type") == "done":
                return self._compare("".join(chunks), len(chunks))
        raise Failed("the stream broke off before its end")

    def _compare(self, streamed: str, chunks: int) -> str:
        stored = self.ask("GET", f"/sessions/{self.sessions[-1]}")["messages"][-1]["content"]
        if not streamed.strip():
            raise Failed("the answer is empty")
        if streamed != stored:
            raise Failed(f"{len(streamed)} characters were streamed, but {len(stored)} are stored")
        return f"{len(streamed)} characters in {chunks} chunks, the same as stored"

    def check_delete(self) -> str:
        for session in self.sessions:
            self.send("DELETE", f"/sessions/{session}", expected=204).read()
        return f"the sessions of these checks, {len(self.sessions)}"


def first_key(api_keys: str) -> str:
    """Of `name:key` pairs with commas."""
    return api_keys.split(",")[0].partition(":")[2].strip()


def passes(name: str, check: Callable[[], str]) -> bool:
    try:
        verdict, found = "ok", check()
    except Failed as failure:
        verdict, found = "FAILED", str(failure)
    except (OSError, http.client.HTTPException) as error:
        verdict, found = "FAILED", f"no answer ({error})"
    except (ValueError, LookupError, TypeError) as error:
        verdict, found = "FAILED", f"an answer of another form ({error!r})"
    sys.stdout.write(f"{verdict:<7} {name:<14} {found}\n")
    sys.stdout.flush()
    return verdict == "ok"


def main(arguments: Sequence[str]) -> int:
    stack = Stack(arguments[0].strip("[]"), int(arguments[1]), os.environ.get("API_KEYS", "").strip())
    passed = [
        passes("health", stack.check_health),
        passes("test", stack.check_test),
        passes("chat, direct", stack.check_direct_chat),
        passes("chat, queue", stack.check_queue_chat),
        passes("stream", stack.check_stream),
    ]
    if stack.sessions:
        passed.append(passes("delete", stack.check_delete))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
