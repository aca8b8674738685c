"""Leases of controllers over HTTP, at two API processes."""

from typing import Any

import pytest

from tests.client import Client
from tests.integration.conftest import assert_problem
from tests.narrating import new_name
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def test_a_lease_is_taken_renewed_and_given_back_over_http(client: Client, other_client: Client) -> None:
    name = new_name()
    response = await client.http.put(f"/controllers/{name}", json={"ttlSeconds": 60})
    taken = response.json()
    assert (response.status_code, taken["epoch"], taken["renewAfter"], taken["agentId"]) == (201, 1, 20, None)
    path = f"/controllers/{name}"
    held_by_another = await other_client.http.put(path, json={})
    assert_problem(held_by_another, 409, "controller_held")
    assert 0 < int(held_by_another.headers["retry-after"]) <= 60
    renewed = await other_client.http.put(path, json={"leaseId": taken["leaseId"]})
    assert (renewed.status_code, renewed.json()["leaseId"]) == (200, taken["leaseId"])
    for shown in ((await client.http.get(path)).json(), *(await client.http.get("/controllers")).json()["controllers"]):
        assert "leaseId" not in shown
    shown = (await client.http.get(path)).json()
    assert (shown["alive"], shown["connected"], shown["ttlSeconds"]) == (True, False, 60)
    assert 0 <= shown["ageSeconds"] < PATIENCE_SECONDS
    over = await client.http.put(path, json={"agentId": "planner"}, params={"takeover": True})
    assert (over.status_code, over.json()["epoch"], over.json()["agentId"]) == (201, 2, "planner")
    assert_problem(await client.http.put(path, json={"leaseId": taken["leaseId"]}), 409, "lease_lost")
    assert_problem(await client.http.delete(path, params={"leaseId": taken["leaseId"]}), 409, "lease_lost")
    assert (await client.http.delete(path, params={"leaseId": over.json()["leaseId"]})).status_code == 204
    for asking in (client.http.get(path), client.http.delete(path)):
        assert_problem(await asking, 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ttlSeconds": 4}, "ttlSeconds"),
        ({"ttlSeconds": 301}, "ttlSeconds"),
        ({"leaseId": "a\0"}, "leaseId"),
        ({"agentId": "Not An Id"}, "agentId"),
        ({"ttl": 5}, "ttl"),
    ],
)
async def test_a_lease_that_cannot_be_is_refused(client: Client, body: dict[str, Any], field: str) -> None:
    assert_problem(await client.http.put(f"/controllers/{new_name()}", json=body), 422, "invalid_input", field=field)
