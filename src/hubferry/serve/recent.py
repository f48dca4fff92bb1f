"""What was used last, kept up to a weight: memory follows what is asked, not what there is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values by key; the longest unused ones go when all of them together weigh too much.

    The one that came last stays, however heavy it is. Safe to use from several threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """Return a value that is still kept, None for any other."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: Value, weight: int) -> None:
        """Keep a value, in place of an earlier one of the same key."""
        with self._lock:
            _earlier, lighter = self._kept.pop(key, (None, 0))
            self._kept[key] = value, weight
            self._weight += weight - lighter
            while self._weight > self._most and len(self._kept) > 1:
                _key, (_value, gone) = self._kept.popitem(last=False)
                self._weight -= gone

    def drop(self, key: Key) -> None:
        """Keep a value no longer."""
        with self._lock:
            _value, weight = self._kept.pop(key, (None, 0))
            self._weight -= weight

    def __len__(self) -> int:
        return len(self._kept)
