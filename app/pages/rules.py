"""The rules by which requests find their views, at the price of what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule


class LazyRule(Rule):
    """A rule that compiles what makes addresses when the first one is made, and not before.

    Compiling takes nearly all the time that adding a route takes, and few routes need both forms.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled: Callable[..., tuple[str, str]] | None = None

        def build(rule: LazyRule, /, **values: Any) -> tuple[str, str]:
            nonlocal compiled
            if compiled is None:
                compiled = super(LazyRule, rule)._compile_builder(append_unknown)
            return compiled(rule, **values)

        return build
