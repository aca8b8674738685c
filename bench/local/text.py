"""English text that everybody has: Python's own documentation."""

from pydoc_data.topics import topics

from transformers import PreTrainedTokenizerBase


def text_tokens(tokenizer: PreTrainedTokenizerBase, count: int) -> list[int]:
    """The first ones, behind the token that begins a text, if there is one."""
    text = "\n\n".join(topics.values())
    begin = [tokenizer.bos_token_id] if isinstance(tokenizer.bos_token_id, int) else []
    tokens = begin + list(tokenizer.encode(text, add_special_tokens=False))
    if len(tokens) < count:
        raise ValueError(f"there are {len(tokens)} tokens of text, fewer than {count}")
    return tokens[:count]
