"""A stream's card, whatever its events do to it: the socket is the test's, and so is the moment."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext, Site
from tests.browser.streams_page import FakeEvents, StreamsPage, row

XSS = """<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>"""
RTL = "مرحبا بالعالم"


@pytest.fixture
def events(page: Page) -> FakeEvents:
    return FakeEvents(page)


@pytest.fixture
def streams(page: Page, events: FakeEvents, site: Site) -> StreamsPage:
    return StreamsPage(page).open(site.api.url)


def test_a_stream_goes_from_queued_to_completed(streams: StreamsPage, events: FakeEvents) -> None:
    events.tell("queued", "s.1", model="m", mode="queue", queuePosition=3)
    expect(streams.get("stream-status")).to_have_text("Queued, place 3")
    events.start("s.1", "Hello")
    expect(streams.get("stream-status")).to_have_text("Streaming")
    events.chunk("s.1", " world")
    expect(streams.get("stream-text")).to_have_text("Hello world")
    events.tell("restart", "s.1", reason="worker_lost", model="m", attempt=2)
    expect(streams.get("taken-over")).to_be_visible()
    expect(streams.get("stream-text")).to_have_text("")
    events.chunk("s.1", "Again", attempt=2)
    events.end("s.1")
    expect(streams.get("stream-status")).to_have_text("Completed")
    expect(streams.get("stream-text")).to_have_text("Again")


def test_nothing_of_a_model_is_html(streams: StreamsPage, events: FakeEvents) -> None:
    events.rows = [row("s.1", message=XSS, model=XSS, goal_id=XSS, work_item_id=XSS, error=None, text=XSS)]
    streams.page.reload()
    streams.wait_until_live()
    events.start("t.1", XSS, goalId=XSS, provider=XSS)
    events.tell("tool", "t.1", phase="call", callId="c", name=XSS, arguments=XSS)
    events.tell("tool", "t.1", phase="result", callId="c", result=XSS)
    events.chunk("t.1", "", reasoning=XSS)
    card = streams.card("t.1")
    for fold in ("stream-tools", "stream-reasoning"):
        card.get_by_test_id(fold).locator("summary").click()
        expect(card.get_by_test_id(fold)).to_contain_text(XSS)
    events.tell("error", "t.1", error=XSS, code="x", totalChunks=1)
    expect(card.get_by_test_id("stream-error")).to_have_text(XSS)
    expect(streams.page.locator("article img, article script")).to_have_count(0)
    assert streams.page.evaluate("window.hacked") is None


def test_the_card_with_the_focus_never_leaves_the_page(streams: StreamsPage, events: FakeEvents) -> None:
    for number in range(6):
        events.start(f"s{number}.1", "text")
    expect(streams.get("stream")).to_have_count(6)
    streams.page.evaluate("window.lost = 0; addEventListener('focusout', () => (window.lost += 1))")
    card = streams.page.locator('[data-request-id="s2.1"]')
    card.focus()
    for number in (4, 2, 0):
        events.end(f"s{number}.1")
    events.start("late.1", "text")
    expect(streams.get("count-completed").locator("strong")).to_have_text("3")
    expect(streams.page.locator('[data-request-id="s4.1"]')).to_have_attribute("data-place", "ended")
    expect(card).to_be_focused()
    assert streams.page.evaluate("window.lost") == 0
    expect(card).to_have_attribute("data-place", "running")  # it waits for the reader
    streams.get("filter-text").focus()
    expect(card).to_have_attribute("data-place", "ended")


def test_a_filter_that_takes_the_card_with_the_focus_away_leaves_it_on_the_page(
    streams: StreamsPage, events: FakeEvents
) -> None:
    for name in ("one", "two"):
        events.start(f"{name}.1", "text")
    streams.page.locator('[data-request-id="one.1"]').focus()
    streams.page.evaluate("history.pushState(null, '', '?q=two'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(streams.get("stream")).to_have_count(1)
    expect(streams.get("stream")).to_be_focused()


def test_cards_are_reached_by_keys(streams: StreamsPage, events: FakeEvents) -> None:
    for number in range(3):
        events.start(f"s{number}.1", "text")
    expect(streams.get("stream")).to_have_count(3)
    cards = streams.get("stream")
    cards.first.focus()
    streams.page.keyboard.press("j")
    expect(cards.nth(1)).to_be_focused()
    streams.page.keyboard.press("j")
    expect(cards.nth(2)).to_be_focused()
    streams.page.keyboard.press("k")
    expect(cards.nth(1)).to_be_focused()


def test_what_is_selected_stays_so_while_the_text_grows(streams: StreamsPage, events: FakeEvents) -> None:
    events.start("s.1", "alpha beta gamma\n" * 20)
    expect(streams.get("stream-text")).to_contain_text("gamma")
    streams.page.evaluate("""() => {
        const text = document.querySelector('[data-testid=stream-text]').lastElementChild.firstChild;
        getSelection().setBaseAndExtent(text, 0, text, 10);
    }""")
    chosen = streams.page.evaluate("getSelection().toString()")
    assert chosen
    for number in range(10):
        events.chunk("s.1", "delta epsilon\n" * 50 + f"{number}.")
        expect(streams.get("stream-text")).to_contain_text(f"{number}.")
    events.end("s.1")
    expect(streams.get("stream-status")).to_have_text("Completed")
    assert streams.page.evaluate("getSelection().toString()") == chosen


def test_only_the_end_of_a_long_text_is_kept(streams: StreamsPage, events: FakeEvents) -> None:
    events.start("s.1")
    for number in range(100):
        events.chunk("s.1", f"line {number} {'x' * 400}\n")
    expect(streams.get("stream-text")).to_contain_text("line 99 ")
    assert len(streams.get("stream-text").inner_text()) < 7_000
    expect(streams.get("show-all")).to_have_attribute("href", streams.page.url.replace("streams", "#s"))
    events.end("s.1")
    kept = "document.querySelector('article').streamCard.stream.tail.text.length"
    expect(streams.get("stream-status")).to_have_text("Completed")
    assert streams.page.evaluate(kept) <= 2_000


def test_text_in_any_direction_is_whole(streams: StreamsPage, events: FakeEvents) -> None:
    smile = "\U0001f600"
    events.start("s.1", f"{RTL}\n")
    for half in ("one ", f"{smile} ", "two\n\n", "three"):
        events.chunk("s.1", half)
    expect(streams.get("stream-text")).to_contain_text("three")
    assert streams.get("stream-text").inner_text() == f"{RTL}\none {smile} two\n\nthree"


def test_text_that_was_left_out_is_fetched_at_the_end(streams: StreamsPage, events: FakeEvents) -> None:
    events.start("s.1", "begin ")
    events.lag("s.1")
    expect(streams.get("stream")).to_contain_text("Some text is left out")
    events.chunk("s.1", "end")
    events.rows = [row("s.1", text="begin middle end")]
    events.end("s.1")
    expect(streams.get("stream-text")).to_have_text("begin middle end")
    expect(streams.get("stream")).not_to_contain_text("left out")


def test_a_connection_that_comes_back_replaces_the_text(streams: StreamsPage, events: FakeEvents) -> None:
    events.start("s.1", "half")
    events.start("gone.1", "half")
    expect(streams.get("stream")).to_have_count(2)
    events.rows = [row("gone.1", text="half and half"), row("new.1", text="came and went")]
    events.sockets[-1].close(code=1012)
    expect(streams.get("light-live")).not_to_have_attribute("data-state", "streaming")
    streams.wait_until_live()
    events.start("s.1", "half and more")
    expect(streams.page.locator('[data-request-id="s.1"]')).to_contain_text("half and more")
    gone = streams.page.locator('[data-request-id="gone.1"]')
    expect(gone).to_have_attribute("data-status", "completed")
    expect(gone).to_contain_text("half and half")
    expect(streams.card("came and went")).to_have_count(1)


def test_a_goodbye_of_the_api_is_no_disturbance(streams: StreamsPage, events: FakeEvents) -> None:
    events.sockets[-1].send('{"type":"goaway","reason":"shutting down"}')
    streams.page.wait_for_function("document.querySelector('#light-live').dataset.state !== 'streaming'")
    streams.wait_until_live()
    expect(streams.get("live-banner")).to_be_hidden()


def test_a_silent_connection_is_given_up(page: Page, events: FakeEvents, site: Site) -> None:
    page.clock.install()
    streams = StreamsPage(page).open(site.api.url)
    page.clock.fast_forward(30_000)
    events.sockets[-1].send('{"type":"ping"}')
    page.clock.fast_forward(30_000)
    assert len(events.sockets) == 1
    page.clock.fast_forward(45_000)
    page.clock.run_for(2_000)
    expect(streams.get("light-live")).to_have_attribute("data-state", "streaming")
    page.wait_for_timeout(0)
    assert len(events.sockets) == 2


def test_a_screen_reader_hears_a_summary_and_no_tokens(streams: StreamsPage, events: FakeEvents) -> None:
    streams.page.evaluate("""() => {
        window.heard = [];
        for (const region of document.querySelectorAll('[aria-live], [role=status], [role=alert]'))
            new MutationObserver(() => window.heard.push(region.textContent.trim()))
                .observe(region, {childList: true, subtree: true, characterData: true});
    }""")
    events.tell("queued", "q.1", model="m", mode="queue", queuePosition=1)
    events.start("s.1", "token")
    expect(streams.get("summary")).to_have_text("1 streaming, 1 queued")
    events.chunk("s.1", "token")
    events.end("s.1")
    expect(streams.get("summary")).to_have_text("1 queued, 1 completed")
    heard = streams.page.evaluate("window.heard")
    assert not [text for text in heard if "token" in text]
    assert len(heard) <= 3
    expect(streams.get("stream").first).to_have_role("article")


def test_cards_out_of_sight_are_frames_alone(streams: StreamsPage, events: FakeEvents) -> None:
    for number in range(120):
        events.start(f"s{number}.1", "some text")
    expect(streams.get("stream")).to_have_count(120)
    expect(streams.get("stream-text").first).to_have_text("some text")
    assert streams.get("stream-text").count() < 40
    streams.get("stream").last.scroll_into_view_if_needed()
    expect(streams.get("stream").last.get_by_test_id("stream-text")).to_have_text("some text")


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, []),
        ({"created_at": "2026-01-01T00:00:00Z", "claimed_at": "2026-01-01T00:00:02Z"}, ["Queue"]),
        (
            {
                "claimed_at": "2026-01-01T00:00:02Z",
                "asked_at": "2026-01-01T00:00:01Z",  # by another clock
                "first_token_at": "2026-01-01T00:00:03Z",
                "finished_at": "2026-01-01T00:00:09Z",
            },
            ["Queue", "First token", "Streaming"],
        ),
    ],
)
def test_no_time_is_made_up(
    streams: StreamsPage, events: FakeEvents, changes: dict[str, Any], known: list[str]
) -> None:
    events.rows = [row("s.1", **changes)]
    streams.page.reload()
    streams.get("stream-details").locator("summary").click()
    if not known:
        expect(streams.get("stream-details")).to_contain_text("Not known yet.")
    expect(streams.get("phases").locator("th")).to_have_text(known)
    assert "-" not in streams.get("phases").inner_text()


REVEALED = """([marks, times]) => {
  const reveal = new Hopstream.Reveal();
  marks.forEach(([position, at]) => reveal.add(position, at));
  return times.map((at) => reveal.positionAt(at));
}"""


def test_a_batch_is_revealed_until_the_next_one_and_no_later(streams: StreamsPage) -> None:
    batches = [[100, 0], [200, 50], [300, 100]]
    shown = streams.page.evaluate(REVEALED, [batches, [0, 50, 100, 125, 150, 200, 1000]])
    assert shown == [0, 50, 100, 150, 200, 300, 300]


def test_who_wants_no_motion_sees_a_text_as_it_comes(new_context: NewContext, site: Site) -> None:
    page = new_context(reduced_motion="reduce").new_page()
    events = FakeEvents(page)
    streams = StreamsPage(page).open(site.api.url)
    events.start("s.1", "text")
    expect(streams.get("stream-text")).to_have_text("text")
    position = "card => { card.drawText(0, false); return card.element.querySelector('.text').textContent; }"
    card = page.evaluate_handle("document.querySelector('article').streamCard")
    assert page.evaluate(position, card) == "text"


def test_a_print_has_all_cards(streams: StreamsPage, events: FakeEvents) -> None:
    for number in range(30):
        events.start(f"s{number}.1", "printed")
    expect(streams.get("stream")).to_have_count(30)
    streams.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    streams.page.emulate_media(media="print")
    expect(streams.get("stream-text").filter(has_text="printed")).to_have_count(30)


def test_one_that_waits_behind_another_is_in_the_queue_and_cancelled_alone(
    streams: StreamsPage, events: FakeEvents
) -> None:
    events.rows = [row("s.2", status="waiting", finish_reason=None)]
    streams.page.reload()
    streams.expect_status(streams.get("stream"), "queued")
    with streams.page.expect_request("**/cancel*") as asking:
        streams.get("cancel-stream").click()
    assert asking.value.url.endswith("/chat/s/cancel?turn=2")
