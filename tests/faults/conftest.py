"""The fixtures of tests over real processes."""

from __future__ import annotations

from tests.harness.fixtures import installed, post, product

__all__ = ["installed", "post", "product"]
