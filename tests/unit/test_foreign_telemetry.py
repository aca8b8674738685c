"""Whatever OpenTelemetry provider a process has: the API tells it nothing of its own accord, no token above all."""

import subprocess
import sys

from tests.patience import PATIENCE_SECONDS
from tests.stack import ROOT

ASK = """
from opentelemetry import metrics, trace
told = []

class Tracer(trace.NoOpTracer):
    def start_span(self, name, *args, **kwargs):
        told.append((name, kwargs.get("attributes")))
        return super().start_span(name, *args, **kwargs)

class Provider(trace.TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return Tracer()

trace.set_tracer_provider(Provider())
from core.settings import Settings
from api.app import create_app
from starlette.testclient import TestClient
app = create_app(Settings(_env_file=None, database_url="sqlite:///unused.db"))
TestClient(app, raise_server_exceptions=False).get("/stream/s?turn=1&token=secret")
print(told)
"""


def test_a_provider_of_somebody_else_hears_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stdout + done.stderr
