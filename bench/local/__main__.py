"""The local engine: tokens per second, and what a text without end costs.

    ./run.sh bench local
    ./run.sh bench local throughput --model gemma3 --dtypes bfloat16
    ./run.sh bench local --check                          # exit status 1 if a target is missed

The parts: `throughput` (1, 4 and 16 sessions, beside transformers' generate and continuous batching, and llama.cpp's
server), `stream` (a long text of English: perplexity, time and memory by the mode of the cache), `keys` (whether
anything adds up in the cache of a tiny model that goes on for a long time). The models are `smollm2` and `gemma3`,
which are fetched, or a place of another one.
"""

import argparse
import sys
from pathlib import Path

import msgspec
import torch
from transformers.utils.logging import disable_progress_bar

from bench.local import keys, stream, targets, throughput
from bench.local.given import Given
from bench.local.results import Results
from bench.local.weights import weights

PARTS = ("throughput", "stream", "keys")
FOLDER = Path("data/bench/models")


def main() -> int:
    options = _parser().parse_args()
    disable_progress_bar()  # type: ignore[no-untyped-call]
    parts = options.parts or PARTS
    given = Given(
        weights(options.model, FOLDER),
        FOLDER / "converted",
        options.dtypes,
        options.context,
        options.answer,
        options.tokens,
        options.generated,
        options.runs,
    )
    results = Results(given.model.stem, _device(), given.context)
    if "throughput" in parts:
        results.throughput = throughput.measure(given)
        print(throughput.table(results.throughput), end="\n\n")
    if "stream" in parts:
        results.stream = stream.measure(given)
        print(stream.table(results.stream), end="\n\n")
    if "keys" in parts:
        results.keys = keys.measure(given.generated)
        print(keys.table(results.keys), end="\n\n")
    if options.json:
        options.json.write_bytes(msgspec.json.encode(results) + b"\n")
    if options.plot and results.stream is not None:
        from bench.local.plot import plot  # matplotlib takes a second to load

        plot(results.stream, options.plot)
    misses = targets.missed(results) if options.check else []
    for line in misses:
        print(f"missed: {line}")
    return 1 if misses else 0


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.cpu.get_capabilities().get('cpu_name', 'CPU')}, {torch.get_num_threads()} threads"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "bench local", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them without")
    parser.add_argument("--model", default="smollm2", help="smollm2, gemma3, a folder or a GGUF file (%(default)s)")
    parser.add_argument(
        "--dtypes",
        type=lambda text: tuple(text.split(",")),
        default=("float32", "bfloat16"),
        help="of throughput, with commas; stream has the first (float32,bfloat16)",
    )
    parser.add_argument("--context", type=int, default=1_024, help="tokens in the cache (%(default)s)")
    parser.add_argument("--answer", type=int, default=48, help="tokens of a session's answer (%(default)s)")
    parser.add_argument("--tokens", type=int, default=20_000, help="of the long text (%(default)s)")
    parser.add_argument("--generated", type=int, default=200_000, help="tokens of the tiny model (%(default)s)")
    parser.add_argument("--runs", type=int, default=1, help="of throughput, of which the median counts (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write FILE.png and FILE.svg, too: of stream")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
