"""Operations written once, for both clients.

An operation is a generator that yields what is to be done, a ``Request`` or a ``Pause``, gets the response, and returns
a value. It does no input and output itself but for reading pictures; a driver (``similarix_sdk.drivers``) performs its
steps, blocking or with asyncio. The decorators here turn the generator into a method of each client:

    operation   returns the value
    listing     returns an iterator over the items of all pages
    batch       returns an iterator over the values of many operations, several of which run at once
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from similarix_sdk.models.pages import Page
from similarix_sdk.pages import AsyncPages, Pages
from similarix_sdk.requests import Pause, Request, Response

P = ParamSpec("P")
T = TypeVar("T")
Steps = Generator[Request | Pause, Any, T]
# Makes the steps that get the page at a cursor; None is the first page's.
Paging = Callable[[str | None], Steps[Page[T]]]


@dataclass(frozen=True)
class Batch(Generic[T]):
    """Operations of which ``width`` run at once."""

    operations: Iterable[Steps[T]]
    width: int


class Sender(Protocol):
    """What an operation sends requests by: ``similarix_sdk.sending.ApiSender``."""

    @property
    def base_url(self) -> str: ...

    def send(self, request: Request) -> Steps[Response]: ...

    def call(self, request: Request) -> Steps["Envelope"]: ...


@dataclass(frozen=True)
class Envelope:
    """What a successful response of the API has."""

    info: dict[str, Any]
    result: dict[str, Any]


class Resource:
    """A group of operations."""

    def __init__(self, api: Sender, driver: Any) -> None:
        self._api = api
        self._driver = driver


class Blocking(Resource):
    """Operations return their values."""


class Asynchronous(Resource):
    """Operations return coroutines, lists asynchronous iterators."""


class _Bound(Generic[P, T]):
    """What the descriptors share: the generator function, its name and its documentation."""

    def __init__(self, build: Callable[Concatenate[Any, P], T]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    def _bind(self, instance: Any, perform: Callable[[T], Any]) -> Any:
        build = self._build

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return perform(build(instance, *args, **kwargs))

        return update_wrapper(method, build.__get__(instance))


class operation(_Bound[P, Steps[T]]):  # noqa: N801  # a decorator
    """A method that returns the value of its steps."""

    @overload
    def __get__(self, instance: Blocking, owner: Any) -> Callable[P, T]: ...

    @overload
    def __get__(self, instance: Asynchronous, owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance, instance._driver.run)


class listing(_Bound[P, Paging[T]]):  # noqa: N801  # a decorator
    """A method that returns the items of all pages, each of which is asked for when it is needed."""

    @overload
    def __get__(self, instance: Blocking, owner: Any) -> Callable[P, Pages[T]]: ...

    @overload
    def __get__(self, instance: Asynchronous, owner: Any) -> Callable[P, AsyncPages[T]]: ...

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance, instance._driver.pages)


class batch(_Bound[P, Batch[T]]):  # noqa: N801  # a decorator
    """A method that returns the values of many operations as they end."""

    @overload
    def __get__(self, instance: Blocking, owner: Any) -> Callable[P, Iterator[T]]: ...

    @overload
    def __get__(self, instance: Asynchronous, owner: Any) -> Callable[P, AsyncIterator[T]]: ...

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance, instance._driver.together)
