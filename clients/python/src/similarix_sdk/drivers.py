"""The two drivers that perform the steps of operations: with threads, and with asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice
from typing import Any, TypeVar

import httpx

from similarix_sdk.pages import AsyncPages, Pages
from similarix_sdk.requests import Pause, ReportingReader, Request, Response, failure
from similarix_sdk.steps import Batch, Paging, Steps

T = TypeVar("T")


class BlockingDriver:
    """Performs steps on an ``httpx.Client``, which several threads may share."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http, self._sleep = http, sleep

    def run(self, steps: Steps[T]) -> T:
        """The value that the steps return."""
        answer: Any = None
        while True:
            try:
                step = _advance(steps, answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                self._sleep(step.seconds)
                answer = None
                continue
            try:
                answer = self._send(step)
            except httpx.TransportError as error:
                answer = failure(error, isinstance(error, httpx.TimeoutException))
            except Exception as error:
                answer = error

    def pages(self, paging: Paging[T]) -> Pages[T]:
        return Pages(lambda cursor: self.run(paging(cursor)))

    def together(self, batch: Batch[T]) -> Iterator[T]:
        """The values as they come; what has not begun when the caller stops, or an operation raises, is not begun."""
        operations = iter(batch.operations)
        with ThreadPoolExecutor(batch.width) as pool:
            running: set[Future[T]] = {pool.submit(self.run, steps) for steps in islice(operations, batch.width)}
            try:
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    running |= {pool.submit(self.run, steps) for steps in islice(operations, len(done))}
                    for future in done:
                        yield future.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _send(self, request: Request) -> Response:
        with ExitStack() as opened, self._http.stream(**_arguments(request, opened)) as response:
            if request.sink is None or not response.is_success:
                response.read()
                return _response(response, response.content)
            _rewind(request)
            for piece in response.iter_bytes():
                request.sink.write(piece)
            return _response(response)


class AsyncDriver:
    """Performs steps on an ``httpx.AsyncClient`` with asyncio.

    Files are read between two pieces that are sent, in the event loop's own thread.
    """

    def __init__(
        self, http: httpx.AsyncClient, sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep
    ) -> None:
        self._http, self._sleep = http, sleep

    async def run(self, steps: Steps[T]) -> T:
        """The value that the steps return."""
        answer: Any = None
        while True:
            try:
                step = _advance(steps, answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
                answer = None
                continue
            try:
                answer = await self._send(step)
            except httpx.TransportError as error:
                answer = failure(error, isinstance(error, httpx.TimeoutException))
            except Exception as error:
                answer = error

    def pages(self, paging: Paging[T]) -> AsyncPages[T]:
        return AsyncPages(lambda cursor: self.run(paging(cursor)))

    async def together(self, batch: Batch[T]) -> AsyncIterator[T]:
        """The values as they come; what runs when the caller stops, or an operation raises, is cancelled."""
        operations = iter(batch.operations)
        running = {asyncio.ensure_future(self.run(steps)) for steps in islice(operations, batch.width)}
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running |= {asyncio.ensure_future(self.run(steps)) for steps in islice(operations, len(done))}
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _send(self, request: Request) -> Response:
        with ExitStack() as opened:
            async with self._http.stream(**_arguments(request, opened)) as response:
                if request.sink is None or not response.is_success:
                    return _response(response, await response.aread())
                _rewind(request)
                async for piece in response.aiter_bytes():
                    request.sink.write(piece)
                return _response(response)


def _advance(steps: Steps[Any], answer: Any) -> Request | Pause:
    """The next step. What could not be sent, such as a file that is gone, is raised where the operation waits."""
    return steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)


def _arguments(request: Request, opened: ExitStack) -> dict[str, Any]:
    """What ``httpx`` takes; the file of a form is open until ``opened`` is closed."""
    arguments: dict[str, Any] = {
        "method": request.method,
        "url": request.target,
        "headers": dict(request.headers),
        "follow_redirects": request.redirects,
    }
    if request.parameters:
        arguments["params"] = request.parameters
    if request.json is not None:
        arguments["json"] = request.json
    if request.form is not None:
        arguments["data"] = dict(request.form)
    if request.file is not None:
        picture, progress = request.file.picture, request.file.progress
        file: Any = opened.enter_context(picture.open())
        if progress is not None:
            file = ReportingReader(file, picture.size, progress)
        arguments["files"] = {"file": (picture.name, file, picture.mime_type)}
    return arguments


def _rewind(request: Request) -> None:
    assert request.sink is not None
    request.sink.seek(0)
    request.sink.truncate()


def _response(response: httpx.Response, body: bytes = b"") -> Response:
    return Response(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)
