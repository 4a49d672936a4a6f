"""What callers ask for in JSON objects."""

from collections.abc import Collection, Mapping

from chalicelib.domain.errors import InvalidRequest


def check_fields(wish: Mapping[str, object], known: Collection[str]) -> None:
    """Raises InvalidRequest for a field that means nothing here: a misspelt one must not be passed over."""
    for field in wish:
        if field not in known:
            raise InvalidRequest(f"There is no field '{field}' to set here.", field=field)
