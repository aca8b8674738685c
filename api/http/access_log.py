"""uvicorn's access log, without the tokens that it would write down: it logs query strings."""

import logging
import re

_TOKEN = re.compile(r"([?&]token=)[^&\s]*")


class _WithoutTokens(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_TOKEN.sub(r"\1***", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


_filter = _WithoutTokens()


def keep_tokens_out_of_access_log() -> None:
    """The same filter twice is added once."""
    logging.getLogger("uvicorn.access").addFilter(_filter)
