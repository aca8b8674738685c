"""What can be wrong with an agent, or with where agents are kept."""

from core.model.errors import HopstreamError


class InvalidAgent(HopstreamError):
    """One that cannot be stored; `field` is the member that is wrong."""

    code = "invalid_agent"
    status = 422
    title = "This can be no agent"


class AgentNotYours(HopstreamError):
    code = "agent_not_yours"
    status = 403
    title = "This API key may not change the agent"


class AgentUnreadable(HopstreamError):
    """Its file has to be mended by hand, and until then nothing can be done with it here."""

    code = "agent_unreadable"
    status = 409
    title = "The agent's file cannot be read"

    def __init__(self, agent_id: str, reason: str) -> None:
        super().__init__(f"the file of the agent {agent_id!r} cannot be read: {reason}")
        self.agent_id = agent_id
        self.reason = reason


class TooManyAgents(HopstreamError):
    code = "too_many_agents"
    status = 409
    title = "There are too many agents"


class AgentsNotReadable(HopstreamError):
    code = "agents_not_readable"
    status = 503
    title = "The folder of agents cannot be read"


class AgentsNotWritable(HopstreamError):
    code = "agents_not_writable"
    status = 503
    title = "The folder of agents cannot be written to"
