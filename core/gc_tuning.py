"""Settings of Python's garbage collector, whose full runs stop every stream of the process.

Reference counts free nearly everything at once; the collector only finds cycles, by visiting all objects there are.
"""

import gc

YOUNG, MIDDLE, OLD = 2_000, 10, 100
"""New objects until generation 0 is collected, and how many collections of one generation make one of the next. The
last is ten times Python's default: with thousands of viewers a full collection delays tokens noticeably."""

IMPORTING = 100_000
"""As YOUNG, while a process imports: nothing of what it makes then is garbage, and looking for some took a third of its
start."""


def spare_imports() -> None:
    """Call before all else is imported; `tune_gc` ends it."""
    gc.set_threshold(IMPORTING)


def tune_gc() -> None:
    """Call once all is imported and set up: the objects of that time, some 180,000, are then never visited again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
