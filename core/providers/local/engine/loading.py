"""Models from where they are: a folder, a GGUF file, the hub, or what was converted before."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import structlog
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from core.providers.local.engine.building import check

log = structlog.get_logger()

_READ_BYTES = 1024 * 1024


class Loaded(NamedTuple):
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        told = [self.model.generation_config.eos_token_id, self.model.config.eos_token_id, self.tokenizer.eos_token_id]
        ends: set[int] = set()
        for each in told:
            ends.update(each if isinstance(each, list) else [each] if each is not None else [])
        return frozenset(ends)


def load(name: str, dtype: str, device: str, cache: Path) -> Loaded:
    """`name`: a folder, a `.gguf` file, or a name of the hub. `cache`: where what is converted is kept. `dtype` and
    `device`: auto, or torch's names.

    No code of a model's own is run. Raises Unsupported, OSError.
    """
    chosen_device = choose_device(device)
    chosen_dtype = choose_dtype(dtype, chosen_device)
    place = Path(name)
    if place.is_absolute() and not place.exists():
        raise FileNotFoundError(f"there is no model {place.name!r} where the settings say")
    source = str(converted(place, cache)) if place.suffix == ".gguf" else name
    check(AutoConfig.from_pretrained(source, trust_remote_code=False))
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        source, dtype=chosen_dtype, trust_remote_code=False, use_safetensors=True
    )
    return Loaded(nn.Module.to(model, chosen_device), tokenizer)


def choose_device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_dtype(dtype: str, device: str) -> torch.dtype:
    """On a CPU float32, which most of them are quickest with for one answer."""
    if dtype == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]


def converted(file: Path, cache: Path) -> Path:
    """The folder of a GGUF file's model, made once: to read such a file takes up to a minute and a half, to read what
    is made of it half a second. Raises OSError."""
    folder = cache / f"{file.stem}-{_digest(file)[:16]}"
    if folder.exists():
        return folder
    log.info("converting", action="local.convert", file=file.name)
    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
    check(model.config)
    # transformers takes it for quantised, and saves no such model; its weights were made plain as they were read.
    model.hf_quantizer = None  # type: ignore[assignment]
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    making = folder.with_name(f"{folder.name}.{os.getpid()}.making")
    shutil.rmtree(making, ignore_errors=True)
    model.save_pretrained(making)
    tokenizer.save_pretrained(making)
    try:
        making.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        shutil.rmtree(making)  # another engine was quicker
    return folder


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
