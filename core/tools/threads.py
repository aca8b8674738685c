"""Blocking functions of others, in threads that may never end."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(name: str, function: Callable[[], T]) -> T:
    """What it returns or raises. One that hangs is left behind when its caller is cancelled."""
    return await start_in_thread(name, function)


def start_in_thread(name: str, function: Callable[[], T]) -> asyncio.Future[T]:
    """One that hangs holds up neither the process's end nor the threads of `asyncio.to_thread`, of which there are
    few."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def tell(value: T | None, error: BaseException | None) -> None:
        if result.done():  # its caller has left
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, error = None, None
        try:
            value = context.run(function)
        except BaseException as caught:  # noqa: BLE001 - raised where it is waited for
            error = caught if _can_be_raised(caught) else RuntimeError(f"it raised {type(caught).__name__}")
        try:
            loop.call_soon_threadsafe(tell, value, error)
        except RuntimeError:  # the loop is closed: the process ends
            return

    threading.Thread(target=run, name=name, daemon=True).start()
    return result


def _can_be_raised(error: BaseException) -> bool:
    """In a coroutine, without meaning something else there, as SystemExit and StopIteration do."""
    return isinstance(error, Exception) and not isinstance(error, StopIteration)
