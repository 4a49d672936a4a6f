"""What an account uses of its plan, as the account's page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.dashboard.figures import number, share, size
from chalicelib.dashboard.texts import text
from chalicelib.domain.plans import PLANS, Plan

SCARCE = 90  # per cent of a limit from which the page says what is left
_BYTES = ("bytes", "managed_bytes")
_ORDER = ("files", "bytes", "collections", "managed_bytes", "uploads_a_month", "webhooks")


@dataclass(frozen=True, slots=True)
class Used:
    """One limit: its title, what is used of it in words, and the share in per cent."""

    name: str
    title: str
    said: str
    share: int
    left: str | None = None


def usage_of_plan(plan: Plan, usage: Mapping[str, int], now: datetime) -> list[Used]:
    """Each limit of the plan; one that the plan sets to nothing is left out."""
    return [_used(name, usage[name], getattr(plan, name), now) for name in _ORDER if getattr(plan, name) or usage[name]]


def _used(name: str, used: int, limit: int, now: datetime) -> Used:
    percent = share(used, limit)
    left = None
    if percent >= SCARCE:
        key = "account.left" if limit > used else "account.nothing_left"
        left = text(key, left=_amount(name, max(0, limit - used)))
    title = text(f"account.usage_{name}", month=f"{now:%B}")
    return Used(
        name, title, text("account.used", used=_part(name, used, limit), limit=_amount(name, limit)), percent, left
    )


def _amount(name: str, value: int) -> str:
    return size(value) if name in _BYTES else number(value)


def _part(name: str, used: int, limit: int) -> str:
    """The used amount, without its unit where the limit has the same one: '458 of 500 GB'."""
    if not used:
        return "0"
    amount, whole = _amount(name, used), _amount(name, limit)
    figure, _, unit = amount.partition(" ")
    return figure if unit and unit == whole.partition(" ")[2] else amount


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan beside others: its limits in words, by the limit's title."""

    name: str
    is_current: bool
    limits: Mapping[str, str]


def offers(current: Plan, now: datetime) -> list[Offer]:
    """Every plan, the smallest first."""
    return [Offer(plan.name, plan.name == current.name, _limits(plan, now)) for plan in PLANS.values()]


def _limits(plan: Plan, now: datetime) -> Mapping[str, str]:
    limits = {}
    for name in _ORDER:
        value = getattr(plan, name)
        limits[text(f"account.usage_{name}", month=f"{now:%B}")] = _amount(name, value) if value else "–"
    limits[text("account.api_access")] = text("account.yes" if plan.api_access else "account.no")
    return limits
