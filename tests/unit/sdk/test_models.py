"""Models have the fields of the OpenAPI document, and tolerate others."""

import dataclasses
import json
import types
from datetime import UTC, datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from similarix_sdk import models
from similarix_sdk.decoding import decode
from similarix_sdk.errors import InvalidAnswer
from tests.fakes.http_api import HttpApi

SCHEMAS = json.loads(HttpApi().api.send("GET", "/api/openapi.json")["body"])["components"]["schemas"]
OTHER_NAMES = {"Collection": "PictureCollection"}
# These unite what the document has in a result and in its info.
UNITED = {"CreatedCollection", "CreatedToken", "SecretWebhook", "ShownDelivery"}
MODELS: dict[str, type[models.Model]] = {
    name: kind
    for name in models.__all__
    if isinstance(kind := getattr(models, name), type)
    and issubclass(kind, models.Model)
    and kind is not models.Model
    and name not in UNITED
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_every_field_of_its_schema(name: str) -> None:
    fields = {field.name for field in dataclasses.fields(MODELS[name])} - {"extra"}
    properties = set(SCHEMAS[OTHER_NAMES.get(name, name)]["properties"])
    assert fields - properties <= ({"next_cursor"} if name == "DeletionReport" else set())
    assert properties <= fields


@pytest.mark.parametrize("name", MODELS)
def test_a_field_that_may_be_null_or_missing_may_be_none(name: str) -> None:
    schema, hints = SCHEMAS[OTHER_NAMES.get(name, name)], get_type_hints(MODELS[name])
    for field, kind in schema["properties"].items():
        may_be_none = type(None) in get_args(hints[field]) and get_origin(hints[field]) in (Union, types.UnionType)
        types_of = kind.get("type", [])
        choices = kind.get("oneOf") or kind.get("anyOf") or []
        is_nullable = "null" in types_of or {"type": "null"} in choices or field not in schema.get("required", [])
        assert may_be_none or not is_nullable, field


def test_a_field_that_is_not_known_is_kept_beside_the_others() -> None:
    link = decode(models.DownloadLink, {"url": "u", "expires_at": "2026-01-02T03:04:05+00:00", "new": [1]})
    assert link.expires_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert link.extra == {"new": [1]}
    assert link.to_dict() == {"url": "u", "expires_at": "2026-01-02T03:04:05+00:00", "new": [1]}
    with pytest.raises(dataclasses.FrozenInstanceError):
        link.url = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"url": "u"},
        {"url": 1, "expires_at": "2026-01-02T03:04:05Z"},
        {"url": "u", "expires_at": "soon"},
        {"url": "u", "expires_at": 5},
    ],
)
def test_an_answer_of_another_form_is_an_error_of_its_own(value: Any) -> None:
    with pytest.raises(InvalidAnswer):
        decode(models.DownloadLink, value)


def test_true_is_no_number_and_a_whole_number_is_a_distance() -> None:
    statistics = {"total_files": True, "total_size": 1}
    with pytest.raises(InvalidAnswer):
        decode(models.CollectionStatistics, statistics)
    found = dict.fromkeys(("uuid", "file_name", "md5", "thumbnail", "s3_uri", "download_url"), "x")
    assert decode(models.FoundFile, {**found, "file_size": 1, "distance": 0}).distance == 0.0
