"""The feed: events may come late, twice, in any order or not at all; it shows what is true, and tells of holes."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from core.model.events import Batch, Done, Event, Snapshot, Start
from core.model.feed import Feed
from core.model.keys import TurnKey
from core.model.parts import Part, Text, ToolCall
from core.model.tape import Tape

KEY = TurnKey("s", 1)


class Worker:
    """Publishes an answer as workers do, and remembers the events that are true of each attempt."""

    def __init__(self, sizes: list[int], snapshot_every: int, attempts: int) -> None:
        self.events: list[Event] = []
        for attempt in range(1, attempts + 1):
            self.tape = Tape()
            self.events.append(Start(attempt, "m", "worker_lost" if attempt > 1 else None))
            for number, size in enumerate(sizes):
                parts: list[Part] = [Text(f"{attempt}{number}abcdefgh"[: size + 1])]
                if size % 2:
                    parts.append(ToolCall(f"{number}", "f", "{}"))
                self.events.append(Batch(attempt, len(self.tape), parts))
                self.tape.extend(parts)
                if number % snapshot_every == snapshot_every - 1:
                    self.events.append(Snapshot(attempt, "m", self.tape.slice()))
        self.attempt = attempts
        self.end = Done(attempts, len(self.tape), "stop")
        self.events.append(self.end)

    def prefix(self, attempt: int) -> Tape:
        """The whole tape of an attempt; what a feed shows is always a beginning of it."""
        tape = Tape()
        for event in self.events:
            if isinstance(event, Batch) and event.attempt == attempt:
                tape.extend(event.parts)
        return tape


workers = st.builds(Worker, st.lists(st.integers(1, 6), max_size=10), st.integers(1, 4), st.integers(1, 3))


@given(workers)
def test_everything_in_order_has_no_hole(worker: Worker) -> None:
    feed = Feed(KEY)
    assert [event for event in worker.events if not feed.apply(event)] == []
    assert (feed.attempt, feed.tape, feed.end) == (worker.attempt, worker.tape, worker.end)


@given(workers, st.data())
def test_any_delivery_shows_a_true_beginning(worker: Worker, data: st.DataObject) -> None:
    """Nothing is doubled or spliced, whatever is lost, doubled or late."""
    feed = Feed(KEY)
    attempt = 0
    for event in data.draw(st.lists(st.sampled_from(worker.events), max_size=30)):
        feed.apply(event)
        assert feed.attempt >= attempt
        attempt = feed.attempt
        assert feed.tape.slice() == worker.prefix(attempt).slice(0, len(feed.tape))
    if feed.end is not None:
        assert (feed.attempt, feed.tape) == (worker.attempt, worker.tape)


@given(workers, st.data())
def test_reading_the_log_after_a_hole_mends_it(worker: Worker, data: st.DataObject) -> None:
    """The log holds the last snapshot of the last attempt and all that follows it."""
    feed = Feed(KEY)
    for event in data.draw(st.lists(st.sampled_from(worker.events), max_size=10)):
        feed.apply(event)
    log = [*worker.events[:-1], Snapshot(worker.attempt, "m", worker.tape.slice()), worker.end]
    snapshot = max(i for i, event in enumerate(log) if isinstance(event, Snapshot))
    assert [event for event in log[snapshot:] if not feed.apply(event)] == []
    assert (feed.attempt, feed.tape, feed.end) == (worker.attempt, worker.tape, worker.end)


def test_a_hole_is_told() -> None:
    feed = Feed(KEY)
    feed.apply(Start(1, "m"))
    assert not feed.apply(Batch(1, 3, [Text("later")]))
    assert not feed.apply(Batch(2, 0, [Text("of an attempt whose start is missing")]))
    assert not feed.apply(Done(1, 5, "stop"))
    assert (len(feed.tape), feed.end) == (0, None)


def test_a_lower_attempt_is_dropped_and_a_higher_one_starts_afresh() -> None:
    feed = Feed(KEY)
    feed.apply(Start(1, "m"))
    feed.apply(Batch(1, 0, [Text("first")]))
    feed.apply(Start(2, "m", "provider_drop"))
    assert (feed.attempt, feed.reason, len(feed.tape)) == (2, "provider_drop", 0)
    assert feed.apply(Batch(1, 5, [Text(" of a zombie")]))
    assert feed.apply(Done(1, 5, "stop"))
    assert (feed.tape.text(), feed.end) == ("", None)


def test_watchers_are_woken_by_every_change() -> None:
    feed = Feed(KEY)
    changes: list[Callable[[], None]] = [
        lambda: feed.set_queue_position(3),
        lambda: feed.start(1, "m"),
        lambda: feed.extend([Text("a")]),
        lambda: feed.finish(Done(1, 1, "stop")),
        lambda: feed.fail(RuntimeError()),
    ]
    with feed.watch() as changed:
        for change in changes:
            changed.clear()
            change()
            assert changed.is_set()
    changed.clear()
    feed.wake()
    assert not changed.is_set()


def test_a_queue_position_is_told_once() -> None:
    feed = Feed(KEY)
    feed.set_queue_position(2)
    with feed.watch() as changed:
        feed.set_queue_position(2)
        assert not changed.is_set()
        feed.start(1, "m")
        changed.clear()
        feed.set_queue_position(1)
        assert not changed.is_set()
