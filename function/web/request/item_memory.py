"""Items of recent responses, for clients that refer to an item instead of sending it again."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

MAX_ITEM_BYTES = 8 << 20
"""Size of all items together, as JSON; the oldest are forgotten first."""
REFERENCE = "item_reference"
THOUGHT_PREFIX = "rs_"
"""Beginning of the ids of reasoning items."""
Fields = dict[str, Any]


class ItemMemory:
    """Bounded memory of one instance; another instance, or this one later, may not have an item any more."""

    def __init__(self, max_bytes: int = MAX_ITEM_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._items: OrderedDict[str, tuple[Fields, int]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, items: Iterable[Fields]) -> None:
        """Remember ``items`` by their ids."""
        with self._lock:
            for item in items:
                size = len(json.dumps(item))
                self._items[item["id"]] = item, size
                self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._items.popitem(last=False)[1][1]

    def resolve(self, fields: Fields) -> Fields:
        """Return the fields of a request with items in the place of references to them.

        References to thoughts that are forgotten are left out, and others stay: they are rejected with the request.
        """
        given = fields.get("input")
        if not isinstance(given, list):
            return fields
        with self._lock:
            known = [self._resolved(item) for item in given]
        return {**fields, "input": [item for item in known if item is not None]}

    def _resolved(self, item: Any) -> Any:
        identity = item.get("id") if isinstance(item, dict) and item.get("type") == REFERENCE else None
        if not isinstance(identity, str):
            return item
        if identity in self._items:
            return self._items[identity][0]
        return None if identity.startswith(THOUGHT_PREFIX) else item
