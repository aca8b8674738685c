"""The archive: the same in SQLite's files and in PostgreSQL; what is too old or too much goes."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from time import monotonic, time

import pytest
import sqlalchemy as sa

from core.settings import Settings
from core.telemetry.log_stream.record import LEVELS
from logs.archive import days
from logs.archive.archive import Archive, ArchiveFull
from logs.archive.opening import open_archive
from logs.archive.table import day_of
from logs.live.filters import ALL, Filter, Matcher
from logs.stream.line import LineId, StreamLine
from tests.logs.viewing import line
from tests.postgres import Postgres

DAY_MS = 24 * 3600 * 1000
Open = Callable[..., Archive]


@pytest.fixture(params=["files", "indexed files", "postgresql"])
def open_(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Settings by their names. Always the same archive."""
    place: dict[str, object] = {"log_archive": str(tmp_path / "archive")}
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        place = {"log_archive": server.new_database()}
    elif request.param == "indexed files":
        place["log_search_index"] = True
    opened: list[Archive] = []

    def open_it(**settings: object) -> Archive:
        archive = open_archive(Settings(**{**place, **settings}))  # type: ignore[arg-type]
        assert archive is not None
        opened.append(archive)
        return archive

    yield open_it
    for archive in opened:
        archive.close()


def open_files() -> list[str]:
    names: list[str] = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the folder itself
            names.append(str(link.readlink()))
    return names


def stored(number: int, message: str, *, ms: int | None = None, **more: object) -> StreamLine:
    said = line(message, **more)  # type: ignore[arg-type]
    return StreamLine(LineId(ms or int(time() * 1000), number), said.channel, said.record)


def messages(archive: Archive, asked: Filter | None = None, place: LineId | None = None, **more: object) -> list[str]:
    options = {"limit": 100, "backwards": True, **more}
    matcher = Matcher(asked) if asked else ALL
    found = archive.search(matcher, place, deadline=monotonic() + 60, **options)  # type: ignore[arg-type]
    return [each.record.message for each in found.lines]


def test_lines_come_back_in_both_directions(open_: Open) -> None:
    archive = open_()
    assert archive.last_id() is None
    now = int(time() * 1000)
    lines = [stored(number, f"{number}", ms=now + number // 3) for number in range(10)]
    archive.append(lines[:6])
    archive.append(lines[4:])  # again, as after a crash
    assert archive.last_id() == lines[-1].id
    assert messages(archive) == [str(number) for number in range(9, -1, -1)]
    assert messages(archive, place=lines[4].id) == ["3", "2", "1", "0"]
    assert messages(archive, place=lines[4].id, backwards=False) == ["5", "6", "7", "8", "9"]
    found = archive.search(ALL, None, 3, backwards=True, deadline=monotonic() + 60)
    assert ([each.id for each in found.lines], found.scanned_to) == ([each.id for each in lines[:6:-1]], lines[7].id)
    assert found.lines[0].data == lines[9].data


def test_they_go_over_days(open_: Open) -> None:
    archive = open_()
    now = int(time() * 1000)
    archive.append([stored(number, f"{number}", ms=now - (5 - number) * DAY_MS) for number in range(6)])
    assert messages(archive) == ["5", "4", "3", "2", "1", "0"]
    assert messages(archive, limit=4) == ["5", "4", "3", "2"]
    assert messages(archive, place=LineId(now - 3 * DAY_MS, 2), backwards=False) == ["3", "4", "5"]


LINES = [
    stored(1, "Hello Wörld", service="api", level="info", fields={"session_id": "s1"}, at=2000),
    stored(2, 'it said "no" to 100%_', service="api", level="error", fields={"request_id": "r1"}, at=3000),
    stored(3, "out of memory", service="worker", level="critical", fields={"device": "gpu"}, at=4000),
    stored(4, "cache", service="worker", level="debug", at=5000),
    stored(5, "says nothing of itself", at=6000),
]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (Filter(), [5, 4, 3, 2, 1]),
        (Filter(channels=frozenset({"logs:errors"})), [3, 2]),
        (Filter(services=frozenset({"api", "test"})), [5, 2, 1]),
        (Filter(level="info"), [3, 2, 1]),
        (Filter(level="trace"), [4, 3, 2, 1]),
        (Filter(word="wörld"), [1]),
        (Filter(word="HELLO"), [1]),
        (Filter(word='"no" to'), [2]),
        (Filter(word="100%_"), [2]),
        (Filter(word="gpu"), [3]),
        (Filter(word="nobody"), []),
        (Filter(regex=r"^\w+ of"), [3]),
        (Filter(session="s1"), [1]),
        (Filter(request="r1"), [2]),
        (Filter(since="1970-01-01T00:50:00.000000Z"), [5, 4, 3, 2]),
        (Filter(until="1970-01-01T00:50:00.000000Z"), [1]),
        (Filter(services=frozenset({"worker"}), level="error"), [3]),
    ],
)
def test_it_is_searched_as_the_live_lines_are(open_: Open, asked: Filter, wanted: list[int]) -> None:
    archive = open_()
    lines = [StreamLine(LineId(7_000_000, each.id.number), each.channel, each.data) for each in LINES]
    archive.append(lines)
    found = archive.search(Matcher(asked), None, 10, backwards=True, deadline=monotonic() + 60)
    assert [each.id.number for each in found.lines] == wanted
    assert [each.id.number for each in reversed(LINES) if Matcher(asked).takes(each)] == wanted


def test_a_search_that_takes_too_long_says_how_far_it_came(open_: Open) -> None:
    archive = open_()
    archive.append([stored(number, f"{number}") for number in range(2000)])
    place, looked_at = None, 0
    while looked_at == 0 or place is not None:
        found = archive.search(Matcher(Filter(regex="^7$")), place, 10, backwards=True, deadline=monotonic() - 1)
        place, looked_at = found.scanned_to, looked_at + 1
        assert not found.lines or found.lines[0].record.message == "7"
    assert looked_at > 2


def test_names_are_those_of_the_last_days(open_: Open) -> None:
    archive = open_()
    archive.append([stored(1, "x", service="api"), stored(2, "x", service="worker", level="error")])
    assert archive.names() == ({"api", "worker"}, {"logs", "logs:errors"})


def test_what_is_too_old_goes_and_debug_before(open_: Open) -> None:
    archive = open_(log_keep_days=3, log_keep_debug_days=1)
    now = int(time() * 1000)
    for number, days_ago in enumerate((6, 2, 0)):
        archive.append([stored(2 * number, f"{days_ago}", ms=now - days_ago * DAY_MS)])
        archive.append([stored(2 * number + 1, f"debug {days_ago}", ms=now - days_ago * DAY_MS, level="debug")])
    told = archive.tidy()
    oldest = (datetime.now(UTC) - timedelta(days=6)).date()
    assert f"{oldest} is removed from the archive: older than 3 days" in told
    assert messages(archive) == ["debug 0", "0", "2"]
    assert archive.tidy() == []


def test_what_is_too_much_goes_but_today(open_: Open) -> None:
    archive = open_(log_keep_mb=10)
    now = int(time() * 1000)
    for days_ago in (2, 1, 0):
        lines = [stored(n, f"{days_ago} " + token_hex(2500), ms=now - days_ago * DAY_MS) for n in range(1500)]
        archive.append(lines)
    assert len(archive.tidy()) == 2
    assert {message[0] for message in messages(archive)} == {"0"}


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = days.DayFiles(Settings(log_archive=str(tmp_path / "archive")))
    archive.append([stored(1, "before")])
    monkeypatch.setattr(days, "FREE_BYTES", 1 << 60)
    with pytest.raises(ArchiveFull, match="lines are not kept there"):
        archive.append([stored(2, "after")])
    assert messages(archive) == ["before"]
    archive.close()


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    archive = days.DayFiles(Settings(log_archive=str(tmp_path / "archive")))
    archive.append([stored(1, "x")])
    assert (tmp_path / "archive").stat().st_mode & 0o777 == 0o700
    archive.close()


def test_a_file_that_another_gateway_has_removed_is_closed(tmp_path: Path) -> None:
    leader, other = (days.DayFiles(Settings(log_archive=str(tmp_path / "archive"))) for _ in range(2))
    old = int(time() * 1000) - 30 * DAY_MS
    leader.append([stored(1, "old", ms=old), stored(2, "new")])
    assert messages(other) == ["new", "old"]
    assert leader.tidy()
    assert messages(other) == ["new"]
    assert not [name for name in open_files() if str(day_of(old)) in name]
    leader.close()
    other.close()


def test_none_is_wanted() -> None:
    assert open_archive(Settings(log_archive="none")) is None


def test_levels_are_stored_in_their_order() -> None:
    assert LEVELS == ("trace", "debug", "info", "warning", "error", "critical")


def test_partitions_are_of_a_schema_of_their_own(postgres: Postgres) -> None:
    url = postgres.new_database()
    archive = open_archive(Settings(log_archive=url))
    assert archive is not None
    archive.append([stored(1, "x")])
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    assert sa.inspect(engine).get_table_names() == []
    assert f"lines_{datetime.now(UTC):%Y%m%d}" in sa.inspect(engine).get_table_names("hopstream_logs")
    engine.dispose()
    archive.close()
