"""The product's version, as /health and the OpenAPI page show it, and the format of what its processes tell another."""

VERSION = "0.1.0"
FORMAT = 5
"""The events, tape parts and rows that this process can read; raised by one with each change that older processes
cannot read. Every process tells it with its heartbeats: nobody sends what the oldest one alive cannot read. Processes
that tell none are of format 1."""
