"""What requests carry: numbers in the query, JSON objects, files in forms."""

import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from chalice.app import Request
from multipart import MultipartError, MultipartParser, parse_options_header

from chalicelib.domain.errors import InvalidRequest

LIMIT_DEFAULT, LIMIT_MAX = 16, 100
DISTANCE_MAX = 2
# float() alone would take 'nan', '1_0' and other scripts' digits.
_DECIMAL = re.compile(r"\d{1,4}(?:\.\d{0,20})?|\.\d{1,20}", re.ASCII)
_FORM = "Send the picture as multipart/form-data in a part named 'file'."


@dataclass(frozen=True, slots=True)
class Form:
    """The one file of a form, and its other fields in their order."""

    file_name: str | None
    body: bytes
    others: tuple[tuple[str, str], ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        return dict(self.others)


def limit(text: str | None) -> int:
    """How many results are wanted: 16 unless said, 1 to 100.

    Raises:
        InvalidRequest: not a whole number in that range.
    """
    if text is None:
        return LIMIT_DEFAULT
    # int() alone would take '1_0', ' 5 ' and other scripts' digits.
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if not 1 <= wanted <= LIMIT_MAX:
        raise InvalidRequest(f"limit is a whole number from 1 to {LIMIT_MAX}.", field="limit")
    return wanted


def distance(text: str | None) -> float | None:
    """The farthest a result may be: a cosine distance, 0 to 2.

    Raises:
        InvalidRequest: not a number in that range.
    """
    if text is None:
        return None
    if not _DECIMAL.fullmatch(text) or not 0 <= float(text) <= DISTANCE_MAX:
        raise InvalidRequest("max_distance is a number from 0 to 2.", field="max_distance")
    return float(text)


def parameter(request: Request, name: str) -> str | None:
    """The last of the query's parameters of that name."""
    given = parameters(request, name)
    return given[-1] if given else None


def parameters(request: Request, name: str) -> list[str]:
    return list(request.query_params.getlist(name)) if request.query_params and name in request.query_params else []


def wants_json(request: Request) -> bool:
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    return str(kind) == "application/json"


def only_new(request: Request) -> bool:
    """Whether the caller wants no file replaced: ``If-None-Match: *``.

    Raises:
        InvalidRequest: another condition, which means nothing here.
    """
    condition = request.headers.get("if-none-match")
    if condition is not None and condition.strip() != "*":
        raise InvalidRequest("If-None-Match takes only '*' here: store the file if there is none of its name.")
    return condition is not None


def json_object(request: Request) -> dict[str, Any]:
    """Raises InvalidRequest when the body is not a JSON object."""
    try:
        body = json.loads(request.raw_body)
    except (ValueError, RecursionError):
        raise InvalidRequest("Send a JSON object as the body.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("Send a JSON object as the body, not another JSON value.")
    return body


def form(request: Request) -> Form:
    """The form of a request that uploads one file.

    Raises:
        InvalidRequest: the body is no form, or has no part named ``file``, or more than one.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise InvalidRequest(_FORM, field="file")
    body = request.raw_body
    assert isinstance(body, bytes)  # every body arrives as base64, and Chalice has decoded it
    try:
        parts = MultipartParser(
            BytesIO(body),
            options["boundary"],
            len(body),
            part_limit=32,
            spool_limit=len(body),
            memory_limit=len(body) + 1,
        ).parts()
    except MultipartError:
        raise InvalidRequest(f"The form could not be read. {_FORM}", field="file") from None
    files = [part for part in parts if part.name == "file"]
    if len(files) != 1:
        count = "no part" if not files else "more than one part"
        raise InvalidRequest(f"The form has {count} named 'file'. {_FORM}", field="file")
    others = tuple((part.name, part.value) for part in parts if part.name != "file" and part.filename is None)
    return Form(files[0].filename, files[0].raw, others)
