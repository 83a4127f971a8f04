"""Batch notify: whether events go several at a time (spec: channels.md, Webhook)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def asked(options: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return how many events go as one, and after how many seconds at the latest; None: alone.

    `options` as they are stored, of any kind of system. A variable in a Query attribute turns
    batching off, as the URL then is that of one event.
    """
    batch, attributes = options.get("batchNotify"), options.get("attributes") or ()
    if not batch or any(one["type"] == "Query" and "$" in one["value"] for one in attributes):
        return None
    return batch["size"], batch["timeWindow"]
