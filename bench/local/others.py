"""What people would use instead, with the same weights, prompt and number of tokens."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel
from transformers.generation.streamers import BaseStreamer

PATIENCE_SECONDS = 900


class Generate(NamedTuple):
    """transformers' `generate`, with the sessions as one batch that begins and ends together."""

    model: PreTrainedModel

    def measure(self, prompt: list[int], sessions: int, tokens: int) -> list[list[float]]:
        times = _Times()
        inputs = torch.tensor([prompt] * sessions, device=self.model.device)
        options: dict[str, Any] = {
            "do_sample": False,
            "max_new_tokens": tokens,
            "min_new_tokens": tokens,
            "attention_mask": torch.ones_like(inputs),
        }
        if sessions == 1:
            self.model.generate(inputs, streamer=times, **options)  # type: ignore[operator]
            return [times.noted]
        # A streamer takes one session alone; the others' tokens come with its own.
        self.model.generate(inputs, logits_processor=[times.note], **options)  # type: ignore[operator]
        return [times.noted] * sessions


class _Times(BaseStreamer):
    def __init__(self) -> None:
        self.noted: list[float] = []
        self._has_begun = False

    def put(self, _: Any) -> None:
        """First comes the prompt."""
        if self._has_begun:
            self.noted.append(time.perf_counter())
        self._has_begun = True

    def end(self) -> None: ...

    def note(self, _: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.noted.append(time.perf_counter())
        return scores


class ContinuousBatching(NamedTuple):
    """transformers' `generate_batch`."""

    model: PreTrainedModel

    def measure(self, prompt: list[int], sessions: int, tokens: int) -> list[list[float]]:
        greedy = GenerationConfig(do_sample=False, max_new_tokens=tokens, eos_token_id=-1)  # type: ignore[no-untyped-call]
        answers = self.model.generate_batch(  # type: ignore[operator]
            [list(prompt) for _ in range(sessions)],
            generation_config=greedy,
            continuous_batching_config=ContinuousBatchingConfig(
                max_batch_tokens=2 * len(prompt), num_blocks=sessions * (len(prompt) + tokens) // 256 + sessions
            ),
            record_timestamps=True,
            warmup=False,
        )
        return [list(answer.timestamps) for answer in answers.values()]


class LlamaCpp:
    """llama.cpp's own server, with the GGUF file as it is."""

    def __init__(self, address: str) -> None:
        self._address = address

    def measure(self, prompt: list[int], sessions: int, tokens: int) -> list[list[float]]:
        return asyncio.run(self._measure(prompt, sessions, tokens))

    async def _measure(self, prompt: list[int], sessions: int, tokens: int) -> list[list[float]]:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            return await asyncio.gather(*(self._answer(client, prompt, tokens) for _ in range(sessions)))

    async def _answer(self, client: httpx.AsyncClient, prompt: list[int], tokens: int) -> list[float]:
        question = {
            "prompt": prompt,
            "n_predict": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
            "stream": True,
        }
        async with client.stream("POST", f"{self._address}/completion", json=question) as response:
            response.raise_for_status()
            return [time.perf_counter() async for line in response.aiter_lines() if _has_token(line)]


def _has_token(line: str) -> bool:
    return line.startswith("data: ") and not msgspec.json.decode(line.removeprefix("data: "))["stop"]


@contextmanager
def llama_cpp(file: Path, sessions: int, context: int, threads: int) -> Iterator[LlamaCpp]:
    """With room for so many sessions of this many tokens each."""
    import xllamacpp  # only this contender needs it

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_parallel = sessions
    params.n_ctx = sessions * context
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = -1
    server = xllamacpp.Server(params)
    yield LlamaCpp(server.listening_address)
