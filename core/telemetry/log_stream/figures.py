"""What a turn took, as figures of a line on the channel of figures: by ours, or found in what others say.

Their names: model, input_tokens, output_tokens, first_token_seconds, tokens_per_second, seconds.
"""

from typing import Any


def figures_in_words(figures: dict[str, Any]) -> str:
    """gpt-4o: 512 tokens out, the first after 0.34 s, 48.2 tokens/s, 11 s, stop"""
    said = [
        (figures.get("input_tokens"), "{:g} tokens in"),
        (figures.get("output_tokens"), "{:g} tokens out"),
        (figures.get("first_token_seconds"), "the first after {:g} s"),
        (figures.get("tokens_per_second"), "{:.4g} tokens/s"),
        (figures.get("seconds"), "{:g} s"),
        (figures.get("error") or figures.get("finish_reason"), "{}"),
    ]
    words = ", ".join(text.format(figure) for figure, text in said if figure is not None)
    return f"{figures.get('model', 'a model')}: {words}" if words else str(figures.get("model", "a model"))
