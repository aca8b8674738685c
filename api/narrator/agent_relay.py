"""The relay to an agent: a turn of it in the conversation, whose answer is the narration."""

from typing import Protocol

from api.chat import Chat
from api.inputs.agent_frames import TurnMessage, TurnOptions
from api.narrator.relay import Narration, RelayedMessage, RelayFailed
from api.streams.whole import until_over
from core.agents.agent import Agent
from core.store.retry import retry_while_down
from core.store.turns.records import Created

OPTIONS = TurnOptions(mode="queue", on_busy="wait")
"""It is told whatever becomes of this process, and after what runs in the conversation."""


class AgentCaller(Protocol):
    """Who posts, as the relay needs it."""

    chat: Chat

    async def agent(self, agent_id: str) -> Agent: ...

    async def ask_agent(
        self, message: TurnMessage, agent_id: str, options: TurnOptions, session_id: str, *, is_counted: bool = False
    ) -> Created: ...


class AgentRelay:
    def __init__(self, caller: AgentCaller, agent_id: str) -> None:
        self._caller = caller
        self._agent_id = agent_id

    async def relay(self, message: RelayedMessage) -> Narration:
        """Raises NotFound, RelayFailed, and whatever a turn is refused or ended by."""
        asked = TurnMessage(message=message.message, message_id=f"narrator-{message.event_id}")
        created = await self._caller.ask_agent(asked, self._agent_id, OPTIONS, message.conversation_id, is_counted=True)
        chat, key = self._caller.chat, created.turn.key
        async with chat.watch(created.turn) as feed:
            await until_over(feed)
        turn = await retry_while_down(lambda: chat.answered(key))
        if turn.finish_reason == "cancelled":
            raise RelayFailed(f"the turn of the agent {self._agent_id!r} was cancelled")
        tape = turn.read_tape()
        text = tape.text() or tape.refusal()
        if not text.strip():
            raise RelayFailed(f"the agent {self._agent_id!r} has said nothing")
        return Narration(text, key.turn)
