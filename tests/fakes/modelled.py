"""Fakes of boto3's clients that take and give what AWS's own description of the service allows.

botocore sends what its service model describes; a fake that took more would let a misspelt parameter pass.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator


class ModelledClient:
    """A client of a service, whose operations are the methods of ``fake``, in snake case.

    A paginator gives the pages of a method that returns a list, or else the one page.
    """

    def __init__(self, service: str, fake: Any) -> None:
        self._model = _model(service)
        self._names = {xform_name(name): name for name in self._model.operation_names}
        self._fake = fake

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            return getattr(self._fake, name)
        return self._call(name)

    def get_paginator(self, name: str) -> "ModelledPaginator":
        return ModelledPaginator(self._call(name, pages=True))

    def _call(self, name: str, *, pages: bool = False) -> Callable[..., Any]:
        operation = self._model.operation_model(self._names[name])

        def call(**arguments: Any) -> Any:
            _validate(arguments, operation.input_shape, name)
            answer = getattr(self._fake, name)(**arguments)
            found = answer if isinstance(answer, list) else [answer or {}]
            for each in found:
                _validate(each, operation.output_shape, f"the answer of {name}")
            return found if pages else found[0]

        return call


class ModelledPaginator:
    def __init__(self, call: Callable[..., list[Any]]) -> None:
        self._call = call

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        yield from self._call(**arguments)


def refusal(code: str, message: str = "", operation: str = "Operation") -> ClientError:
    """What a client raises where AWS answers with an error."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _validate(value: Any, shape: Any, what: str) -> None:
    if shape is None:
        assert not value, f"{what} takes nothing"
        return
    unknown = set(value) - set(shape.members)
    assert not unknown, f"{what} has no {', '.join(unknown)}"
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"
