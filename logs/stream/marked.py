"""Items in the order in which they came, of which each can be taken out by its mark."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Marked(Generic[Item]):
    """Of items with the same mark the oldest is taken first."""

    def __init__(self) -> None:
        self._items: OrderedDict[int, tuple[str, Item]] = OrderedDict()
        self._numbers: defaultdict[str, deque[int]] = defaultdict(deque)
        """By mark."""
        self._added = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, mark: str, item: Item) -> None:
        self._added += 1
        self._items[self._added] = (mark, item)
        self._numbers[mark].append(self._added)

    def take(self, mark: str) -> Item | None:
        numbers = self._numbers.get(mark)
        return self._take(numbers[0]) if numbers else None

    def oldest(self) -> Item | None:
        return next((item for _, item in self._items.values()), None)

    def take_oldest(self) -> Item:
        """Raises KeyError where there is none."""
        if not self._items:
            raise KeyError("none is left")
        return self._take(next(iter(self._items)))

    def after(self, number: int) -> Iterator[tuple[int, Item]]:
        """What was added later than that number's item, which may be gone by now; each with its number, from 1 on."""
        for each, (_, item) in self._items.items():
            if each > number:
                yield each, item

    def clear(self) -> None:
        self._items.clear()
        self._numbers.clear()

    def _take(self, number: int) -> Item:
        mark, item = self._items.pop(number)
        numbers = self._numbers[mark]
        numbers.popleft()
        if not numbers:
            del self._numbers[mark]
        return item
