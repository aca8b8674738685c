"""Who may see the logs, and what nobody may do with them."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from core.telemetry.log_stream.appender import Appender
from tests.logs.conftest import StartGateway
from tests.logs.viewing import line
from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT

pytestmark = pytest.mark.anyio

KEY = "key-of-the-operator"
KEYS = f"operator:{KEY}"
PATHS = ("/stream", "/history", "/export", "/totals", "/services", "/metrics")


async def test_with_keys_nothing_is_shown_without_one(start_gateway: StartGateway) -> None:
    gateway = start_gateway(LOG_KEYS=KEYS, API_KEYS="tenant:key-of-some-tenant")
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE_SECONDS) as client:
        for path in PATHS:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer key-of-some-tenant"}):
                refused = await client.get(path, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized"), path
        for path in ("/", "/health", "/assets/logs/page.js"):
            assert (await client.get(path)).status_code == 200, path
        told = await client.get("/services", headers={"Authorization": f"Bearer {KEY}"})
        assert told.status_code == 200


async def test_a_token_opens_the_stream_and_reaches_no_log(start_gateway: StartGateway, appender: Appender) -> None:
    gateway = start_gateway(LOG_KEYS=KEYS)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE_SECONDS) as client:
        assert (await client.post("/token")).status_code == 401
        token = (await client.post("/token", headers={"Authorization": f"Bearer {KEY}"})).json()["token"]
        assert (await client.get("/services", params={"token": f"{token}x"})).status_code == 401
    async with gateway.viewer(token=token) as viewer:
        appender.append([line("hello")])
        await viewer.until_message("hello")
    gateway.stop()
    assert token not in gateway.output()
    assert KEY not in gateway.output()


async def test_nobody_may_frame_it_or_run_anything(start_gateway: StartGateway) -> None:
    gateway = start_gateway()
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE_SECONDS) as client:
        page = await client.get("/")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        for path in ("/", "/history", "/health", "/nowhere"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
        exported = await client.get("/export")
        assert exported.headers["content-disposition"].startswith('attachment; filename="logs-')
        assert (await client.get("/assets/../app.py")).status_code == 404
        assert (await client.get("/nowhere")).json()["code"] == "not_found"


def test_production_needs_keys(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import logs.app"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "ENV": "production", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "LOG_KEYS: who may see the logs is not set, as name:key, and ENV is production\n"
