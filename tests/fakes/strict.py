"""Ports that refuse what DynamoDB and S3 refuse, where the fakes would take it."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from tests.fakes.application import FakeAdapters

KEY_BYTES = 1024  # of a sort key and of an object's key
_FREE_TEXTS = ("embed_texts", "embed_image", "put")  # their arguments are no keys


class RefusedByAws(Exception):
    """A ValidationException of AWS, or an error of botocore."""


class StrictPort:
    """Passes calls on whose texts are valid UTF-8, not empty, and no longer than a key may be."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **named: Any) -> Any:
            for argument in (*arguments, *named.values()):
                _check(argument, is_key=name not in _FREE_TEXTS)
            return attribute(*arguments, **named)

        return call


def strict(adapters: FakeAdapters) -> FakeAdapters:
    """The adapters, with the ports that stand for DynamoDB, S3 and the vector store made strict."""
    names = (
        "accounts",
        "users",
        "sessions",
        "collections",
        "registry",
        "catalogue",
        "quota_ledger",
        "syncs",
        "storage",
        "embedder",
    )
    return replace(adapters, **{name: StrictPort(getattr(adapters, name)) for name in names})


def _check(value: Any, *, is_key: bool) -> None:
    if isinstance(value, str):
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise RefusedByAws(f"no UTF-8: {value!r}") from None
        if is_key and size > KEY_BYTES:
            raise RefusedByAws(f"{size} bytes")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _check(getattr(value, field.name), is_key=is_key)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check(key, is_key=is_key)
            _check(item, is_key=is_key)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _check(item, is_key=is_key)
