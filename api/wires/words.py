"""Words that several wires have in common, as JavaScript spells them."""

from typing import Any

from core.model.events import Usage

Words = dict[str, Any]


def told(**values: Any) -> Words:
    """Those that say something."""
    return {name: value for name, value in values.items() if value not in (None, "", {})}


def by(model: str | None, provider: str | None) -> Words:
    """Who answers. An older worker does not tell the provider."""
    return told(model=model, provider=provider)


def counts(usage: Usage) -> Words:
    return told(
        inputTokens=usage.input_tokens,
        outputTokens=usage.output_tokens,
        cachedTokens=usage.cached_tokens,
        reasoningTokens=usage.reasoning_tokens,
    )
