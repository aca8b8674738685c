"""A tiny model as a folder, as the hub has them: weights, configuration, and a tokenizer with a chat template."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
from transformers.utils.logging import disable_progress_bar

disable_progress_bar()  # type: ignore[no-untyped-call]  # it has a thread that stays

TEMPLATE = (
    "{% for message in messages %}<|begin|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}"
)
TEXT = [
    "Every token of this text was written to a tape in a worker, gathered into a batch and published once.",
    "Ünïcödé and emoji 🙂🙃 have tokens of several bytes: 日本語, Ελληνικά, العربية.",
]
SPECIAL = ["<|begin|>", "<|end|>", "<|pad|>"]


def tokenizer(*, merges: bool = True) -> PreTrainedTokenizerFast:
    """Of bytes, so that a character can be several tokens; without merges, each is one."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300 if merges else 259, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made, eos_token="<|end|>", pad_token="<|pad|>", chat_template=TEMPLATE
    )


SAYS_TOOLS = (
    "{% for tool in tools or [] %}<|begin|>tool {{ tool['function']['name'] }}<|end|>\n{% endfor %}"
    "{% for message in messages %}<|begin|>{{ message['role'] }}\n{{ message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}{{ call['function'] | tojson }}{% endfor %}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant{{ ANSWERS }}{% endif %}"
)
AFTER_TOOLS = "{{ '\t' if messages[-1]['role'] == 'tool' else '\n' }}"


def make_scripted(folder: Path, first: str, after_tools: str) -> Path:
    """A model that always says the one, and the other where the last message is a tool's."""
    made = tokenizer()
    made.add_tokens([first, after_tools])
    made.chat_template = SAYS_TOOLS.replace("{{ ANSWERS }}", AFTER_TOOLS)
    return _make_following(folder, made, ["\n", first, "<|end|>"], ["\t", after_tools, "<|end|>"])


def make_cycling(folder: Path, text: str) -> Path:
    """A model that says this again and again, and goes on as it should from wherever it is in it. No byte comes twice
    in the text, and each is a token."""
    made = tokenizer(merges=False)
    bytes_of_it = [str(made.convert_ids_to_tokens(token)) for token in made.encode(text, add_special_tokens=False)]
    return _make_following(folder, made, ["\n", *bytes_of_it, bytes_of_it[0]])


def _make_following(folder: Path, made: PreTrainedTokenizerFast, *chains: list[str]) -> Path:
    """Of each chain's tokens one follows the other. The layers add nothing, so the next token depends on the last one
    alone."""
    config = _config(
        made,
        hidden_size=320,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=10,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.model.norm.weight.fill_(1.0)
        model.model.embed_tokens.weight.copy_(torch.eye(len(made), 320))
        for before, after in (pair for chain in chains for pair in pairwise(chain)):
            model.lm_head.weight[_id(made, after), _id(made, before)] = 1.0
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def _config(made: PreTrainedTokenizerFast, **sizes: Any) -> LlamaConfig:
    ends = {"eos_token_id": made.eos_token_id, "pad_token_id": made.pad_token_id}
    return LlamaConfig(vocab_size=len(made), bos_token_id=None, **ends, **sizes)


def _id(made: PreTrainedTokenizerFast, token: str) -> int:
    known = made.get_vocab().get(token)
    return int(known if known is not None else made.encode(token, add_special_tokens=False)[-1])


def make_model(folder: Path, *, context: int = 4096) -> Path:
    """Its answers are nonsense, always the same, and long: the end is unlikely."""
    made = tokenizer()
    set_seed(11)
    config = _config(
        made,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
    )
    model = LlamaForCausalLM(config)
    texts = [str(made.decode([token])) for token in range(len(made))]
    plain = [text.isascii() and text.isprintable() for text in texts]
    with torch.no_grad():  # so that its answers can be read again as the same tokens, more or less
        model.lm_head.weight *= 20 * torch.tensor(plain)[:, None]
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
