"""Python's garbage collector, kept from stopping every stream of the process.

What nobody needs any more is freed at once, by its count of references; the collector is for cycles alone, and looks at
every object there is to find them.
"""

import gc

YOUNG, MIDDLE, OLD = 2_000, 10, 100
"""New objects until the youngest are looked at, and how many such looks until the next age is. The last is ten times
Python's own: with thousands of viewers a look at everything takes as long as a token must not be late."""


def tune_gc() -> None:
    """Call once all is imported and set up: what is there by now, 180,000 objects of modules, is never looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
