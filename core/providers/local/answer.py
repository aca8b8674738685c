"""An answer of the engine, as it comes."""

import asyncio
from collections.abc import Awaitable, Callable

from core.model.errors import ContextTooLong, ProviderDropped, ProviderError, UnsupportedOption
from core.model.events import Usage
from core.model.parts import Part
from core.providers.base import Finish, Item, Stream, Told
from core.providers.local.connection import EngineConnection
from core.providers.local.markup import MarkedText
from core.providers.local.process import NoEngine
from core.providers.local.protocol import Ask, Ended, Failed, FromEngine, Said


class LocalAnswer(Stream):
    def __init__(self, question: Ask, connected: Callable[[], Awaitable[EngineConnection]]) -> None:
        self._question = question
        self._connected = connected
        self._connection: EngineConnection | None = None
        self._number = 0
        self._text = MarkedText(question.begun, has_tools=bool(question.tools))
        self._parts: list[Part] = []
        self._last: Ended | Failed | None = None
        self._is_lost = False
        self._has_begun = False
        self._is_over = False
        self._has_news = asyncio.Event()

    async def __anext__(self) -> Item:
        if self._is_over:
            raise StopAsyncIteration
        if self._connection is None:
            await self._ask()
        while not (self._parts or self._last is not None or self._is_lost):
            self._has_news.clear()
            await self._has_news.wait()
        if self._parts:
            return self.ready_parts()
        self._is_over = True
        return self._finish()

    def ready_parts(self) -> list[Part]:
        parts, self._parts = self._parts, []
        self._has_begun = self._has_begun or bool(parts)
        return parts

    def told(self) -> Told:
        if not isinstance(self._last, Ended):
            return Told()
        last = self._last
        return Told(Usage(last.input_tokens, last.output_tokens, cached_tokens=last.cached_tokens))

    async def aclose(self) -> None:
        self._is_over = True
        if self._connection is not None:
            self._connection.stop(self._number)

    async def _ask(self) -> None:
        """Raises ProviderError."""
        try:
            self._connection = await self._connected()
        except NoEngine as error:
            raise ProviderError(f"the engine does not start: {error}", transient=True, is_away=True) from error
        try:
            self._number = self._connection.ask(self._question, self._on_news)
        except (ValueError, OverflowError) as error:
            raise UnsupportedOption(f"the local engine cannot be asked that: {error}") from error

    def _on_news(self, news: FromEngine | None) -> None:
        match news:
            case Said(text=text):
                self._parts += self._text.feed(text)
            case Ended() | Failed():
                self._parts += self._text.finish()
                self._last = news
            case _:
                self._is_lost = True
        self._has_news.set()

    def _finish(self) -> Finish:
        """Raises ProviderError."""
        match self._last:
            case Ended(reason=reason):
                return Finish("tool_calls" if self._text.has_called else reason, self.told())
            case Failed(message=message, is_too_long=True):
                raise ContextTooLong(message)
            case Failed(message=message, is_of_request=is_of_request):
                raise ProviderError(message, is_of_request=is_of_request)
            case _ if self._connection is not None and self._connection.state.state == "failed":
                raise ProviderError(self._connection.state.what)
            case _ if self._has_begun:
                raise ProviderDropped("the engine has ended in the middle of the answer")
            case _:
                raise ProviderError("the engine has ended before the answer", transient=True, is_away=True)
