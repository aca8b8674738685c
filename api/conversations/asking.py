"""A message of a conversation as the turn that it becomes."""

from api.inputs.agent_frames import TurnMessage, TurnOptions
from core.agents.agent import Agent, AgentSnapshot
from core.model.context import RequestContext
from core.store.turns.records import NewTurn


def turn_of(
    message: TurnMessage,
    agent: Agent,
    options: TurnOptions,
    session_id: str,
    *,
    default_model: str,
    process_id: str,
    snapshot: AgentSnapshot,
    context: RequestContext,
) -> NewTurn:
    """`options`: over the agent's own. `process_id`: of this process, which answers by itself in direct mode."""
    mode = options.mode or "queue"
    return NewTurn(
        session_id=session_id,
        mode=mode,
        model=options.model or agent.model or default_model,
        message=message.message,
        input={"agent": snapshot},
        options={**agent.options, **options.sampling()},
        owner=process_id if mode == "direct" else None,
        message_id=message.message_id,
        may_wait=options.on_busy != "reject",
        context=context,
    )
