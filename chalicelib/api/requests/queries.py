"""Parses query parameters, strictly."""

import re
from collections.abc import Collection as Names
from collections.abc import Sequence

from chalice.app import MultiDict, Request

from chalicelib.api.requests.names import check_name, single_value, without_index
from chalicelib.domain.errors import InvalidRequest, UnknownParameter
from chalicelib.domain.files import FileState
from chalicelib.domain.texts import check_storable
from chalicelib.domain.thumbnails import ThumbnailSize
from chalicelib.domain.webhook_deliveries import DeliveryState

LIMIT_DEFAULT, LIMIT_MAX = 16, 100  # results of one page
DISTANCE_MAX = 2  # the cosine distance of opposite vectors
# What ``include`` may name, in the order in which a response shows it.
EXPECTED_BY_CHANCE = "expected_by_chance"
INCLUDED = ("collection", "path", "width", "height", "format", "mime_type", "metadata", "modified")
INCLUDED_BY_SEARCHES = (*INCLUDED, EXPECTED_BY_CHANCE)
LISTED_STATES = (FileState.INDEXED, FileState.FAILED, FileState.PENDING)
_REASON = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)
_WHOLE_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
# float() alone would accept 'nan', '1_0' and other scripts' digits. Python and JavaScript write small numbers as 1e-05
# and 1e-7, and some programs all decimals of a double, of which none has more than 1,074.
_DECIMAL = re.compile(r"(?:\d{1,4}(?:\.\d{0,1100})?|\.\d{1,1100})(?:e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


def check_parameters(request: Request, known: Names[str]) -> None:
    """Raises UnknownParameter for a query parameter that is not known."""
    for name in request.query_params or ():
        check_name(without_index(name), known, "parameter")


def parameter(request: Request, name: str) -> str | None:
    """The value of a query parameter, None if it is missing.

    Raises:
        InvalidRequest: it is given more than once, or cannot be stored.
    """
    return single_value(parameters(request, name), name)


def parameters(request: Request, name: str) -> list[str]:
    """All values of a query parameter, in their order; raises InvalidRequest for one that cannot be stored."""
    query = request.query_params or MultiDict({})
    given = [value for key in query if without_index(key) == name for value in query.getlist(key)]
    return [check_storable(value, name) for value in given]


def parse_limit(text: str | None) -> int:
    """The number of results to return: 1 to 100, by default ``LIMIT_DEFAULT``.

    Raises:
        InvalidRequest: not a whole number in that range.
    """
    limit = parse_whole_number(text, "limit", 1, LIMIT_MAX)
    return LIMIT_DEFAULT if limit is None else limit


def parse_whole_number(text: str | None, name: str, lowest: int, highest: int) -> int | None:
    """The value of a parameter, None if it is missing.

    Raises:
        InvalidRequest: not a whole number in that range.
    """
    if text is None:
        return None
    # int() alone would accept '1_0', ' 5 ' and other scripts' digits.
    if not _WHOLE_NUMBER.fullmatch(text) or not lowest <= int(text) <= highest:
        raise InvalidRequest(f"{name} is a whole number from {lowest} to {highest}.", field=name)
    return int(text)


def parse_number(text: str | None, name: str, lowest: float, highest: float) -> float | None:
    """The value of a parameter, None if it is missing.

    Raises:
        InvalidRequest: not a number in that range.
    """
    if text is None:
        return None
    if not _DECIMAL.fullmatch(text) or not lowest <= float(text) <= highest:
        raise InvalidRequest(f"{name} is a number from {lowest} to {highest}.", field=name)
    return float(text)


def parse_failure_reason(text: str | None, state: FileState | None) -> str | None:
    """The reason of the failed files to list, None for files of any reason.

    Raises:
        InvalidRequest: no reason has this form, or files in another state are asked for.
    """
    if text is None:
        return None
    if not _REASON.fullmatch(text):
        raise InvalidRequest("reason is a code such as 'not_an_image' or 'access_denied'.", field="reason")
    if state not in (None, FileState.FAILED):
        raise InvalidRequest("Only failed files have a reason: leave state out, or make it 'failed'.", field="reason")
    return text


def parse_path_filter(text: str | None) -> str | None:
    """The path of a file within its collection, None if it is missing; raises InvalidRequest for an empty one."""
    if text == "":
        raise InvalidRequest("path is the path of a file within its collection, such as '2024/owl.jpg'.", field="path")
    return text


def parse_include(values: Sequence[str], known: Sequence[str] = INCLUDED) -> tuple[str, ...]:
    """The fields to show beside the usual ones, in the order in which they are known.

    Args:
        values: each a name, or several with commas between; none if it is empty, as a form sends it.

    Raises:
        UnknownParameter: one is not known; it names the nearest that is.
    """
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    for name in names:
        try:
            check_name(name, known, "field to include")
        except UnknownParameter as error:
            raise UnknownParameter(error.message, field="include") from None
    return tuple(name for name in known if name in names)


def parse_flag(text: str | None, name: str) -> bool:
    """Whether a parameter is given, whose only value is ``1``; raises InvalidRequest for another value."""
    if text not in (None, "1"):
        raise InvalidRequest(f"{name} is 1, or is left out.", field=name)
    return text is not None


def parse_thumbnail_size(text: str | None) -> ThumbnailSize:
    """The size of a thumbnail, ``MEDIUM`` by default; raises InvalidRequest for a size that there is not."""
    sizes = {str(size.value): size for size in ThumbnailSize}
    if text is not None and text not in sizes:
        raise InvalidRequest(f"size is one of {', '.join(sizes)}.", field="size")
    return ThumbnailSize.MEDIUM if text is None else sizes[text]


def parse_boolean(text: str | None, name: str) -> bool:
    """Whether a field of a form is ``true``; False if it is missing, InvalidRequest unless it is ``false``."""
    if text not in (None, "true", "false"):
        raise InvalidRequest(f"{name} is true or false.", field=name)
    return text == "true"


def parse_file_state(text: str | None) -> FileState | None:
    """The state of the files to list, None for files in any state.

    Raises:
        InvalidRequest: there is no such state.
    """
    if text is None:
        return None
    if text not in LISTED_STATES:
        raise InvalidRequest(f"state is one of {', '.join(LISTED_STATES)}.", field="state")
    return FileState(text)


def parse_delivery_state(text: str | None) -> DeliveryState | None:
    """The state of the deliveries to list, None for any; raises InvalidRequest for a state that there is not."""
    if text is None:
        return None
    if text not in list(DeliveryState):
        raise InvalidRequest(f"state is one of {', '.join(DeliveryState)}.", field="state")
    return DeliveryState(text)
