"""What several processes tell of one model."""

import pytest

from core.model.model_states import ModelStates, merged


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (["ready", "loading"], "loading"),
        (["loading", "ready", "ready"], "loading"),
        (["failed", "ready"], "failed"),
        (["ready", "stopped"], "ready"),
        (["stopped"], "stopped"),
        (["ready"], "ready"),
    ],
)
def test_the_worst_word_of_an_engine_counts(told: list[str], shown: str) -> None:
    states = [ModelStates(engines={"one": state, "other": "ready"}) for state in told]  # type: ignore[dict-item]
    assert merged(states).engines == {"one": shown, "other": "ready"}


def test_of_circuits_the_last_word_counts() -> None:
    told = [ModelStates({"one": "open"}), ModelStates({"one": "half_open", "other": "open"}), ModelStates()]
    assert merged(told).circuits == {"one": "half_open", "other": "open"}
