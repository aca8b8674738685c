"""What the parts of an MCP connection share."""

from core.tools.base import ToolError

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Longest message of a server, over either transport: a hundred times what a model gets to read of it."""


class NotCalled(ToolError):
    """The call was not carried out, for a reason that a new connection has not got."""
