import httpx

from tests.processes import Api


def has_agents(api: Api, key: str = "") -> bool:
    """Whether this API is one that has the registry of agents, and so their WebSocket."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(f"{api.url}/agents", headers=headers).status_code != httpx.codes.NOT_FOUND
