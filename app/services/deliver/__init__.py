"""Delivering: a worker claims a lane and sends what is due in it (delivery.md)."""

from __future__ import annotations

from app.services.deliver.run import Courier

__all__ = ["Courier"]
