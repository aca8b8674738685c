"""Settings of Python's garbage collector, whose full runs stop every stream of the process.

Reference counts free nearly everything at once; the collector only finds cycles, by visiting all objects there are.
"""

import gc

YOUNG, MIDDLE, OLD = 2_000, 10, 100
"""New objects until generation 0 is collected, and how many collections of one generation make one of the next. The
last is ten times Python's default: with thousands of viewers a full collection delays tokens noticeably."""


def tune_gc() -> None:
    """Call once all is imported and set up: the objects of that time, some 180,000, are then never visited again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
