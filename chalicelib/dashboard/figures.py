"""Figures as people write them. Apart from the filters, so that pages need no template engine before they render."""

_UNITS = ("KB", "MB", "GB", "TB", "PB")


def number(value: float) -> str:
    """``1204`` as ``1,204``."""
    return f"{value:,.0f}"


def size(value: int) -> str:
    """Bytes in decimal units, with two or three figures: ``8.4 MB``, ``458 GB``."""
    if value < 1000:
        return f"{value} bytes" if value != 1 else "1 byte"
    amount = float(value)
    for unit in _UNITS:
        amount /= 1000
        if amount < 999.5 or unit == _UNITS[-1]:
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:,.0f} {unit}"
    raise AssertionError(value)


def share(part: float, whole: float) -> int:
    """Per cent, 0 to 100; whatever is used shows as 1 at the least."""
    if whole <= 0:
        return 100 if part > 0 else 0
    return 0 if part <= 0 else max(1, min(100, round(100 * part / whole)))
