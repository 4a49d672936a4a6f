"""Takes the filter from the parameters of a query and the fields of a form."""

from collections.abc import Callable, Iterable

from chalicelib.api.requests.names import without_index
from chalicelib.domain.filter_syntax import is_filter_parameter, parse_filter_parameters
from chalicelib.domain.filters import Filter


def stated_filter(names: Iterable[str], values: Callable[[str], list[str]]) -> Filter:
    """The filter that a request states.

    Args:
        names: of all parameters and fields that were sent.
        values: returns all values of a name.

    Raises:
        InvalidRequest: it is no filter; ``field`` is the parameter that is wrong.
    """
    given = dict.fromkeys(name for name in map(without_index, names) if is_filter_parameter(name))
    return parse_filter_parameters({name: values(name) for name in given})
