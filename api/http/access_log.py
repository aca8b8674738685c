"""uvicorn's logs without queries, which may hold tokens. It logs requests in one, and opened WebSockets in another."""

import logging

LOGGERS = ("uvicorn.access", "uvicorn.error")


class _WithoutQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(arg) for arg in record.args)
        return True


def _without_query(argument: object) -> object:
    if isinstance(argument, str) and argument.startswith("/"):
        return argument.partition("?")[0]
    return argument


_filter = _WithoutQueries()


def keep_queries_out_of_logs() -> None:
    """The same filter twice is added once."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)
