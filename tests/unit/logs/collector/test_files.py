"""Following files: over every way of rotating them, and over the collector's own restarts."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.background import Background
from logs.collector.files import following
from logs.collector.files.formats import Plain
from logs.collector.files.source import About, Describe, FileSource, describe_file
from logs.collector.kubernetes.nodes import describe_pod_log
from tests.patience import PATIENCE_SECONDS
from tests.unit.logs.collector.kept import KeptLines, eventually, sending

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logs.collector.files.source.POLL_SECONDS", 0.01)
    monkeypatch.setattr("logs.collector.files.source.GLOB_SECONDS", 0.02)
    monkeypatch.setattr(following, "RENAMED_SECONDS", PATIENCE_SECONDS)


@asynccontextmanager
async def collecting(
    pattern: Path,
    kept: KeptLines,
    places: Mapping[str, str] | None = None,
    describe: Describe = describe_file,
    hours: float = 1,
) -> AsyncIterator[FileSource]:
    background = Background()
    async with sending(kept) as sender:
        source = FileSource(
            "files", [str(pattern)], describe, sender, places or {}, hours=hours, lines_per_second=10_000_000
        )
        background.run("files", source.run())
        await eventually(lambda: not source._is_first_look)
        try:
            yield source
        finally:
            await background.stop()


def write(path: Path, *numbers: int) -> None:
    with path.open("a") as file:
        file.writelines(f"line {number}\n" for number in numbers)


async def test_a_new_file_from_its_start_and_lines_when_they_are_whole(tmp_path: Path) -> None:
    kept, path = KeptLines(), tmp_path / "app.log"
    async with collecting(tmp_path / "*.log", kept):
        with path.open("wb", buffering=0) as file:
            file.write(b"line 1\r\nline ")
            await eventually(lambda: kept.numbers() == [1])
            file.write(b"2\n\xff\n")
            await eventually(lambda: len(kept.lines) == 3)
    record = kept.lines[0][1]
    assert (record["service"], record["fields"]) == ("app", {"file": str(path)})
    assert kept.messages() == ["line 1", "line 2", "\ufffd"]


async def test_a_renamed_file_is_read_to_its_end_first(tmp_path: Path) -> None:
    """Even what its program still writes there, before it has noticed; the pattern matches the old names, too."""
    kept, path = KeptLines(), tmp_path / "app.log"
    write(path, 1)
    async with collecting(tmp_path / "app.log*", kept):
        await eventually(lambda: kept.numbers() == [1])
        with path.open("a") as old:
            path.rename(tmp_path / "app.log.1")
            write(path, 3)
            await eventually(lambda: 3 in kept.numbers())
            old.write("line 2\n")
        await eventually(lambda: len(kept.numbers()) == 3)
        (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
        path.rename(tmp_path / "app.log.1")
        write(path, 4)
        await eventually(lambda: len(kept.numbers()) == 4)
        await eventually(lambda: kept.numbers()[-1] == 4)
    assert sorted(kept.numbers()) == [1, 2, 3, 4]


async def test_a_renamed_file_is_read_to_its_end_however_little_of_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RENAMED_SECONDS", 0.0)
    path = tmp_path / "app.log"
    path.write_text("".join(f"line {number}\n" for number in range(60_000)))  # more than one piece
    follow = following.FileFollow(path, Plain, {}, is_first_look=False)
    found = follow.read(10_000, 0.0)
    path.rename(tmp_path / "app.log.1")
    while not follow.is_gone:
        found += follow.read(10_000, 0.0)
    assert sum(len(each.lines) for each in found) == 60_000
    assert (found[-1].is_done, follow.lost) == (True, [])


async def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    kept, path = KeptLines(), tmp_path / "app.log"
    write(path, 1, 2, 3)
    async with collecting(path, kept):
        await eventually(lambda: len(kept.numbers()) == 3)
        shutil.copy(path, tmp_path / "app.log.1")
        os.truncate(path, 0)
        write(path, 4)
        await eventually(lambda: kept.numbers() == [1, 2, 3, 4])
        path.write_text("".join(f"line {n}\n" for n in range(5, 30)))  # longer than before
        await eventually(lambda: kept.numbers() == list(range(1, 30)))


async def test_the_collector_goes_on_where_it_was(tmp_path: Path) -> None:
    kept, path = KeptLines(), tmp_path / "app.log"
    write(path, 1)
    async with collecting(path, kept):
        await eventually(lambda: kept.numbers() == [1])
    write(path, 2)
    async with collecting(path, kept, kept.places):
        await eventually(lambda: kept.numbers() == [1, 2])
    write(path, 3)
    path.rename(tmp_path / "app.log.1")
    write(path, 4)
    async with collecting(tmp_path / "app.log*", kept, kept.places):
        await eventually(lambda: len(kept.numbers()) == 4)
    write(path, 5)
    async with collecting(tmp_path / "app.log*", kept, kept.places):
        await eventually(lambda: len(kept.numbers()) == 5)
    assert kept.numbers() == [1, 2, 3, 4, 5]
    assert len(kept.lines) == 5


async def test_a_file_that_was_packed_before_it_was_read_is_told(tmp_path: Path) -> None:
    kept, path = KeptLines(), tmp_path / "app.log"
    write(path, 1)
    async with collecting(path, kept):
        await eventually(lambda: kept.numbers() == [1])
    path.unlink()
    write(path, 3)
    for _ in range(2):
        async with collecting(path, kept, kept.places):
            await eventually(lambda: len(kept.lines) == 3)
    told = kept.lines[1 if "may be missing" in kept.lines[1][1]["message"] else 2][1]
    assert (told["level"], told["fields"]["event"]) == ("warning", "rotated")


async def test_what_nobody_has_read_yet_is_read_from_an_hour_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_BYTES_BACK", 200)
    kept = KeptLines()
    (tmp_path / "timed.log").write_text("2020-01-01T00:00:00Z line 1\nline 2\n")
    (tmp_path / "long.log").write_text("".join(f"line {n}\n" for n in range(100, 200)))
    old = tmp_path / "old.log"
    write(old, 5)
    os.utime(old, (1, 1))
    async with collecting(tmp_path / "*.log", kept):
        await eventually(lambda: len(kept.numbers()) == 23)
        write(old, 6)
        await eventually(lambda: 6 in kept.numbers())
    assert sorted(kept.numbers()) == [2, 6, *range(178, 200)]


async def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    def describe(path: Path) -> About:
        path.unlink()
        path.mkdir()
        return describe_file(path)

    write(tmp_path / "app.log", 1)
    async with collecting(tmp_path / "*.log", KeptLines(), describe=describe) as source:
        await eventually(lambda: source.problem)
        assert "cannot read" in str(source.problem)


async def test_the_files_of_a_kubernetes_node(tmp_path: Path) -> None:
    kept = KeptLines()
    folder = tmp_path / "pods" / "shop_web-5d9_0a1b-2c" / "nginx"
    folder.mkdir(parents=True)
    path = folder / "0.log"
    path.write_text(
        "2026-11-29T12:00:00.5Z stdout P line \n"
        "2026-11-29T12:00:00.6Z stderr F ERROR other\n"
        "2026-11-29T12:00:00.7Z stdout F 1\n"
        '{"log":"line 2\\n","stream":"stdout","time":"2026-11-29T12:00:01Z"}\n'
    )
    os.utime(path)
    async with collecting(tmp_path / "pods/*/*/*.log", kept, {"file:x#1:2": "5"}, describe_pod_log, 1e6):
        await eventually(lambda: len(kept.lines) >= 2)
        path.rename(folder / "0.log.20261129-120000")
        path.write_text("2026-11-29T12:00:02Z stdout F line 3\n")
        await eventually(lambda: 3 in kept.numbers())
    assert kept.numbers() == [1, 2, 3]
    first = next(line for _, line in kept.lines if line["message"] == "line 1")
    assert first["time"] == "2026-11-29T12:00:00.500000Z"
    assert first["service"] == "nginx"
    assert first["fields"] == {"namespace": "shop", "pod": "web-5d9", "container": "nginx", "file": str(path)}
