"""Iterators over the pages of a list, blocking and asynchronous."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from similarix_sdk.models.pages import Page

T = TypeVar("T")


class Pages(Generic[T]):
    """All items of a list: ``for item in pages``. Each loop begins at the first page."""

    def __init__(self, fetch: Callable[[str | None], Page[T]]) -> None:
        self._fetch = fetch

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page

    def pages(self, cursor: str | None = None) -> Iterator[Page[T]]:
        """The pages from this cursor on. A page may be empty and still have a next one."""
        while True:
            page = self._fetch(cursor)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return


class AsyncPages(Generic[T]):
    """All items of a list: ``async for item in pages``. Each loop begins at the first page."""

    def __init__(self, fetch: Callable[[str | None], Awaitable[Page[T]]]) -> None:
        self._fetch = fetch

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page:
                yield item

    async def pages(self, cursor: str | None = None) -> AsyncIterator[Page[T]]:
        """The pages from this cursor on. A page may be empty and still have a next one."""
        while True:
            page = await self._fetch(cursor)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
