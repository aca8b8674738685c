"""LiteLLM's proxy, as its manual says to run it: one process, no database, the mock upstream as its only service.

It lives in an environment of its own, which `./run.sh bench` makes from `bench/litellm.txt`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from bench.http_client import fetch
from bench.processes import Processes, StartError, free_port

READY_SECONDS = 120.0
NAME = "litellm"
ENVIRONMENT = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # open, as Hopstream is here
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing from the internet
    "LITELLM_LOG": "ERROR",
    "NO_DOCS": "True",
    "PYTHONPATH": "",  # its libraries, not ours
}


async def start(processes: Processes, program: Path, mock: str, models: Sequence[str]) -> str:
    """Its URL. Raises StartError."""
    if version_of(program) is None:
        raise StartError(f"LiteLLM is not at {program}: ./run.sh bench installs it, or leave it out by --modes")
    config = processes.home / "litellm.yaml"
    config.write_text(json.dumps(_config(mock, models)))  # JSON is YAML
    port = free_port()
    processes.run(
        NAME,
        str(program),
        *("--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        env=ENVIRONMENT,
    )
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        return await fetch(url, "/health/liveliness") is not None

    await processes.until(answers, "LiteLLM", READY_SECONDS)
    return url


def _config(mock: str, models: Sequence[str]) -> dict[str, object]:
    parameters = {"api_base": f"{mock}/v1", "api_key": "bench"}
    return {
        "model_list": [
            {"model_name": model, "litellm_params": {"model": f"openai/{model}", **parameters}} for model in models
        ],
        "litellm_settings": {"telemetry": False},
    }


def version_of(program: Path) -> str | None:
    """None where it is not installed."""
    found = sorted(program.parent.parent.glob("lib/python*/site-packages/litellm-*.dist-info"))
    return found[-1].name.removeprefix("litellm-").removesuffix(".dist-info") if found else None
