"""Error traces as reports bring them, of any length, in three scripts."""

from __future__ import annotations

_EVERY = 10
_OTHERS = {
    3: "Ошибка: заказ {} не найден в системе «Заказы», повторите попытку позже",
    6: "同步失败：订单 {} 在目标系统中未找到，请联系系统管理员",
}
_FRAME = "    at com.example.sync.orders.Mapper.map(Mapper.java:{}) [sync-core-4.2.jar]"


def trace(lines: int, first: int = 0) -> str:
    """Return a trace whose numbers begin at `first`; two lines in ten are not in Latin."""
    return "\n".join(
        _OTHERS.get(place % _EVERY, _FRAME).format(first + place) for place in range(lines)
    )
