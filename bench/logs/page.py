"""The page of logs in a real browser, while lines come.

    python -m bench.logs.page --rates 1000 10000 --seconds 30

Three producers say lines to a Redis, a gateway streams them, and Chromium shows them. Told for each rate: the longest
time between two frames, the memory of the page's scripts, how many lines the page says it skipped, and how long a line
that somebody publishes takes until it is on the page, and in a stream of such lines alone.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic, time

import httpx
import msgspec
from playwright.async_api import CDPSession, Page, async_playwright
from redis.asyncio import Redis

from bench.logs.parts import Gateway, RedisNode
from bench.processes import Processes, StartError
from bench.stats import quantile
from core.telemetry.log_stream.redis_stream import OPTIONS

PRODUCERS = 3
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
MARK_SECONDS = 0.5
"""From one line that is looked for to the next."""
WARM_SECONDS = 5.0
"""Starting producers, and the page's first lines, are not what is measured."""

# A line is looked for in the text of the list's rows at each frame, as a person would see it.
WATCH = """() => {
  const watch = (window.watch = { frames: [], seen: {} });
  let before = performance.now();
  const look = (now) => {
    watch.frames.push(now - before);
    before = now;
    for (const row of document.querySelectorAll("[data-testid=line]:not([hidden])")) {
      const mark = /a mark (\\d+)/.exec(row.textContent)?.[1];
      if (mark) watch.seen[mark] ??= Date.now() / 1000;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


class Outcome(msgspec.Struct):
    rate: int
    frame_p99_ms: float
    longest_frame_ms: float
    memory_mb: list[float]
    """Of the page's scripts, after a collection, at the begin and at the end."""
    skipped: str
    """In the page's words."""
    marks: int
    page_ms: list[float]
    """Of the marks that were shown: at a high rate they are skipped as other lines are."""
    stream_ms: list[float]


async def measure(rate: int, seconds: float) -> Outcome:
    with Processes() as processes:
        redis = RedisNode(processes)
        await redis.start()
        settings = {"REDIS_URL": redis.url, "LOG_ARCHIVE": str(processes.home / "archive")}
        gateway = Gateway(processes, "logs.app:app", settings)
        await gateway.start()
        async with _chromium(gateway.url) as (page, inspector), asyncio.TaskGroup() as group:
            heard: dict[str, float] = {}
            listener = group.create_task(_listen(f"{gateway.url}/stream?q=a%20mark", heard))
            for number in range(PRODUCERS if rate else 0):
                told = ("--rate", f"{rate / PRODUCERS:.1f}")
                processes.run_module(f"producer-{number}", "logs.producer", *told, env=settings)
            await asyncio.sleep(WARM_SECONDS)
            before = await _memory_mb(inspector)
            await page.evaluate(WATCH)
            said = await _publish(redis.url, seconds)
            frames, seen = await page.evaluate("() => [watch.frames, watch.seen]")
            after = await _memory_mb(inspector)
            skipped = await page.get_by_test_id("bar").inner_text()
            listener.cancel()
    return Outcome(
        rate,
        quantile(frames, 0.99),
        max(frames),
        [before, after],
        next((part for part in skipped.split("\n") if "skipped" in part), "-"),
        len(said),
        [1000 * (seen[mark] - at) for mark, at in said.items() if mark in seen],
        [1000 * (heard[mark] - at) for mark, at in said.items() if mark in heard],
    )


@asynccontextmanager
async def _chromium(url: str) -> AsyncIterator[tuple[Page, CDPSession]]:
    program = os.environ.get("HOPSTREAM_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise StartError("there is no Chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(url)
        await page.locator("[data-testid=light-live][data-state=streaming]").wait_for()
        yield page, await page.context.new_cdp_session(page)
        await browser.close()


async def _memory_mb(inspector: CDPSession) -> float:
    await inspector.send("HeapProfiler.collectGarbage")
    usage = await inspector.send("Runtime.getHeapUsage")
    return float(usage["usedSize"]) / 2**20


async def _publish(url: str, seconds: float) -> dict[str, float]:
    """When each mark was said."""
    said: dict[str, float] = {}
    async with Redis.from_url(url, **OPTIONS) as redis:
        end = monotonic() + seconds
        while monotonic() < end:
            mark = str(len(said))
            said[mark] = time()
            await redis.publish("logs", f"a mark {mark}")
            await asyncio.sleep(MARK_SECONDS)
    return said


async def _listen(url: str, heard: dict[str, float]) -> None:
    async with httpx.AsyncClient(timeout=None) as client, client.stream("GET", url) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and "a mark " in line:
                heard[json.loads(line[6:])["message"].removeprefix("a mark ")] = time()


def table(outcomes: list[Outcome]) -> str:
    """Markdown."""
    rows = [
        "| lines a second | longest frame, ms | p99 | memory of the page, MB | skipped "
        "| until on the page, ms, p50 | most | in the stream, p50 | most |",
        "| ---: | ---: | ---: | --- | --- |" + " ---: |" * 4,
    ]
    for each in outcomes:
        memory = " → ".join(f"{mb:.0f}" for mb in each.memory_mb)
        delays = []
        for ms in (each.page_ms, each.stream_ms):
            delays += [f"{quantile(ms, 0.5):.0f} ({len(ms)} of {each.marks})", f"{max(ms):.0f}"] if ms else ["-", "-"]
        rows.append(
            f"| {each.rate:,} | {each.longest_frame_ms:.0f} | {each.frame_p99_ms:.0f} | {memory} | {each.skipped} "
            f"| {' | '.join(delays)} |"
        )
    return "\n".join(rows)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.logs.page", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[0, 1000, 10_000], help="lines a second")
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    outcomes = [await measure(rate, options.seconds) for rate in options.rates]
    print(table(outcomes))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
