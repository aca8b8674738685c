"""What a process tells of models with its heartbeat."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

EngineState = Literal["stopped", "ready", "loading", "failed"]
"""stopped: the one that a process knew has ended; the next question starts it, or has done so elsewhere."""
ENGINE_STATES: tuple[EngineState, ...] = ("stopped", "ready", "loading", "failed")
"""Where processes disagree, the one further behind in this list counts."""


class ModelStates(NamedTuple):
    """By the names of models."""

    circuits: Mapping[str, str] = {}
    """Those that are not asked for a while: open, half_open."""
    engines: Mapping[str, EngineState] = {}
    """Of models that this machine's own engine answers with."""


NO_STATES = ModelStates()


def merged(told: Iterable[ModelStates]) -> ModelStates:
    """Of several processes. An engine that is ready for one and has failed for another has failed."""
    circuits: dict[str, str] = {}
    engines: dict[str, EngineState] = {}
    for states in told:
        circuits.update(states.circuits)
        for name, state in states.engines.items():
            engines[name] = max(state, engines.get(name, state), key=ENGINE_STATES.index)
    return ModelStates(circuits, engines)
