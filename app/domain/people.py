"""What people may do: three roles, each of which includes those before it (product.md 12)."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a user may do, in rising order."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Theme(StrEnum):
    """How the screens look to a user."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"
