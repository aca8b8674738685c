"""Pods of one namespace by Kubernetes' API, for development: each stream is work for its API server."""

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import structlog

from core.background import Background
from logs.collector.intake import Bucket, Intake
from logs.collector.kubernetes.selection import is_followed
from logs.collector.resuming import NANOSECONDS, OVERLAP_NS, Resuming, nanoseconds
from logs.collector.sender import Sender
from logs.collector.source import CannotCollect
from logs.records.joining import Line, Splitter

log = structlog.get_logger()

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LIST_SECONDS = 3.0
PAGE = 500
"""Pods that the API tells at once."""
ANSWER_SECONDS = 15.0
SILENT_SECONDS = 300.0
"""A stream that says nothing for so long is opened anew."""
REOPEN_SECONDS = 2.0
_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=SILENT_SECONDS)


class PodSource:
    """`run` is a task."""

    name = "pods"

    def __init__(
        self,
        api: str | None,
        sender: Sender,
        places: Mapping[str, str],
        *,
        left_out: Sequence[str],
        hours: float,
        lines_per_second: float,
        account: Path = ACCOUNT,
    ) -> None:
        """`api`: as `kubectl proxy` serves it; None within a pod. `left_out`: as LOG_KUBERNETES_EXCEPT has them. Raises
        CannotCollect outside of a pod."""
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if api is None and host is None:
            raise CannotCollect(
                "LOG_KUBERNETES_API: needed outside of a pod, as http://127.0.0.1:8001 of `kubectl proxy`"
            )
        self._account = None if api else account
        self._base = (api or f"https://{f'[{host}]' if ':' in str(host) else host}:{port}").rstrip("/")
        self._namespace = _read(account / "namespace") or "default" if api is None else "default"
        self._sender = sender
        self._places = places
        self._left_out = left_out
        self._first_ns = int(max(0.0, time() - hours * 3600) * NANOSECONDS)
        self._lines_per_second = lines_per_second
        self._background = Background()
        self._following: dict[str, asyncio.Task[None]] = {}
        self._read_so_far: dict[str, Resuming] = {}
        self._read_whole = set[str]()
        """Of containers that were over by then, so that nothing more comes."""
        self._session: aiohttp.ClientSession | None = None
        self.problem: str | None = "has not connected yet"

    async def run(self) -> None:
        tls = ssl.create_default_context(cafile=str(self._account / "ca.crt")) if self._account else False
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        async with aiohttp.ClientSession(connector=connector) as session:
            self._session = session
            try:
                while True:
                    await self._look()
                    await asyncio.sleep(LIST_SECONDS)
            finally:
                await self._background.stop()

    async def _look(self) -> None:
        try:
            pods = await self._list()
        except _ERRORS as error:
            if self.problem is None:
                log.warning("Kubernetes is away", action="pods.away", error=repr(error)[:200])
            self.problem = f"Kubernetes' API is away: {error!r}"[:300]
            return
        self.problem = None
        for pod in pods:
            self._follow_pod(pod)
        there = {pod["metadata"]["uid"] for pod in pods}
        for source in [source for source in self._read_so_far if source not in self._following]:
            if source.split(":")[1] not in there:
                del self._read_so_far[source]
                self._read_whole.discard(source)

    async def _list(self) -> list[dict[str, Any]]:
        """Raises _ERRORS."""
        pods: list[dict[str, Any]] = []
        query = {"limit": str(PAGE)}
        while True:
            async with self._get("pods", query, aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as response:
                page = await response.json()
            pods += page.get("items") or []
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return pods
            query["continue"] = following

    def _follow_pod(self, pod: Mapping[str, Any]) -> None:
        """A container that started again has another number, and a log of its own. One that is over is read once more:
        what it said last may have come when its stream had broken off."""
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        statuses = pod.get("status", {}).get("containerStatuses") or []
        if not is_followed(self._namespace, name, self._left_out):
            return
        for status in statuses:
            source = f"pods:{uid}:{status['name']}:{status.get('restartCount', 0)}"
            is_over = "terminated" in status["state"]
            is_there = is_over or "running" in status["state"]
            if is_there and source not in self._read_whole and source not in self._following:
                task = self._background.run(source, self._follow(source, name, status["name"], is_over=is_over))
                self._following[source] = task
                task.add_done_callback(lambda task: self._following.pop(task.get_name(), None))

    async def _follow(self, source: str, pod: str, container: str, *, is_over: bool) -> None:
        resuming = self._read_so_far.get(source) or Resuming(self._places.get(source), slack_ns=OVERLAP_NS)
        self._read_so_far[source] = resuming
        fields = {"namespace": self._namespace, "pod": pod, "container": container}
        intake = Intake(self._sender, source, container, fields, bucket=Bucket(self._lines_per_second))
        try:
            await self._stream(resuming, intake, pod, container)
            if is_over:
                self._read_whole.add(source)
        except _ERRORS as error:
            log.debug("log broke off", action="pods.reopen", pod=pod, container=container, error=repr(error)[:200])
            await asyncio.sleep(REOPEN_SECONDS)
        finally:
            intake.close()

    async def _stream(self, resuming: Resuming, intake: Intake, pod: str, container: str) -> None:
        """stdout and stderr are one stream here, whose times may go back a little. Raises _ERRORS."""
        resuming.begin()
        ns = max(resuming.last_ns - OVERLAP_NS, 0) or self._first_ns
        since = datetime.fromtimestamp(ns // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"container": container, "follow": "true", "timestamps": "true", "sinceTime": since}
        splitter = Splitter()
        async with self._get(f"pods/{pod}/log", query, _STREAM) as response:
            async for data in response.content.iter_any():
                for text, cut in splitter.feed(data):
                    _take(text, cut, resuming, intake)
                await self._sender.room()
        if (rest := splitter.rest()) is not None:
            _take(*rest, resuming, intake)

    def _get(self, path: str, query: Mapping[str, str], timeout: aiohttp.ClientTimeout) -> Any:
        if self._session is None:
            raise ConnectionError("not connected")
        token = _read(self._account / "token") if self._account else ""  # anew: it expires
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self._base}/api/v1/namespaces/{self._namespace}/{path}"
        return self._session.get(
            url, params=query, headers=headers, timeout=timeout, raise_for_status=True, allow_redirects=False
        )


def _take(text: str, cut: int, resuming: Resuming, intake: Intake) -> None:
    stamp, space, rest = text.partition(" ")
    ns = nanoseconds(stamp) if space else None
    if ns is None:
        ns, rest = resuming.last_ns, text
    if resuming.is_new(ns):
        intake.take(Line(rest.rstrip("\r"), time(), ns / NANOSECONDS, cut, resuming.place))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
