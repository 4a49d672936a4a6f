"""Filters of templates: figures, sizes and times as people write them, and names as a page shows them."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from chalicelib.dashboard.figures import number, share, size

# The classes of styles.css for shapes, 6 % apart at most: width / height, and the class's number.
SHAPES = {
    0.5: 50, 0.52: 52, 0.541: 54, 0.5625: 56, 0.595: 60, 0.63: 63, 0.6667: 67, 0.693: 69, 0.721: 72, 0.75: 75,
    0.775: 78, 0.8: 80, 0.846: 85, 0.894: 89, 0.946: 95, 1.0: 100, 1.057: 106, 1.118: 112, 1.182: 118,
    1.25: 125, 1.291: 129, 1.3333: 133, 1.387: 139, 1.442: 144, 1.5: 150, 1.549: 155, 1.6: 160, 1.687: 169,
    1.7778: 178, 1.849: 185, 1.923: 192, 2.0: 200, 2.093: 209, 2.191: 219, 2.293: 229, 2.4: 240, 2.538: 254,
    2.683: 268, 2.837: 284, 3.0: 300,
}  # fmt: skip
KEPT_END = 12  # characters of a long name that are never cut
LONG_NAME = 24  # characters from which a name's head is cut


def day(value: datetime) -> str:
    """``12 November 2026``, UTC."""
    moment = value.astimezone(UTC)
    return f"{moment.day} {moment:%B} {moment.year}"


def when(value: datetime, now: datetime) -> Markup:
    """The moment as people say it, in a ``<time>`` that a script puts into the reader's zone.

    Within a minute ``just now``, within the hour ``5 minutes ago``, on the day ``Today, 03:14``, else the day.
    """
    moment, today = value.astimezone(UTC), now.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), _said(moment, today))


def _said(moment: datetime, now: datetime) -> str:
    past = now - moment
    if timedelta(0) <= past < timedelta(minutes=1):
        return "just now"
    if timedelta(0) <= past < timedelta(hours=1):
        minutes = int(past.total_seconds() // 60)
        return f"{minutes} minute{'s' if minutes != 1 else ''} ago"
    days = (now.date() - moment.date()).days
    clock = f"{moment:%H:%M} UTC"
    for distance, word in ((0, "Today"), (1, "Yesterday"), (-1, "Tomorrow")):
        if days == distance:
            return f"{word}, {clock}"
    return f"{moment.day} {moment:%B}" if moment.year == now.year else day(moment)


def shape(width: int | None, height: int | None) -> str:
    """The class of the shape that is nearest to a picture's, ``r150`` for 3:2; ``r100`` where it is not known."""
    if not width or not height:
        return "r100"
    ratio = math.log(width / height)
    nearest = min(SHAPES, key=lambda each: abs(math.log(each) - ratio))
    return f"r{SHAPES[nearest]}"


def keep_end(name: str, *, spoken: bool = True) -> Markup:
    """A name in two parts, of which a narrow page cuts the head; one that is short, or not left to right, in one.

    A screen reader has the name whole, as it would pause between the parts; or not at all, if it is not ``spoken``
    because what stands beside it says it already.
    """
    silent = Markup("") if spoken else Markup(' aria-hidden="true"')
    if len(name) <= LONG_NAME or not name.isascii():
        return Markup('<bdi class="name" dir="auto"{}><span>{}</span></bdi>').format(silent, name)
    head, end = name[:-KEPT_END], name[-KEPT_END:]
    if not spoken:
        return Markup('<bdi class="name"{}><span>{}</span><span>{}</span></bdi>').format(silent, head, end)
    return Markup(
        '<bdi class="name"><span aria-hidden="true">{}</span><span aria-hidden="true">{}</span>'
        '<span class="unseen">{}</span></bdi>'
    ).format(head, end, name)


def initials(name: str) -> str:
    """Of a person's name, two at most: ``NK``; ``?`` where there is none."""
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
    return "".join(letters).upper() or "?"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "bytes": size,
    "number": number,
    "day": day,
    "when": when,
    "shape": lambda pair: shape(*pair),
    "keep_end": keep_end,
    "initials": initials,
    "share": share,
    "escaped": escape,
}
