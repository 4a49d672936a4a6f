"""The OpenAPI document against the routes and against itself."""

from typing import Any

import jsonschema
import pytest
from chalice.app import Chalice

from chalicelib.api.openapi.document import REFUSALS, document
from chalicelib.api.openapi.examples import example
from chalicelib.api.routes import FALLBACK_PATHS, METHODS, register_routes
from chalicelib.domain import errors

WITHOUT_WORDS = {("GET", "/api/openapi.json"), ("GET", "/api/docs")}


def refusing(view: Any) -> bool:
    """Whether the route is one of those that only tell a wrong method from an unknown path."""
    return view.view_function.__name__ in ("wrong_method", "unknown_path")


def routes() -> set[tuple[str, str]]:
    app = Chalice("routes")
    register_routes(app, lambda: None)  # type: ignore[arg-type, return-value]
    return {
        (method, path)
        for path, views in app.routes.items()
        for method, view in views.items()
        if path not in FALLBACK_PATHS and not refusing(view)
    }


def described() -> dict[tuple[str, str], dict[str, Any]]:
    paths = document()["paths"]
    return {(method.upper(), path): each for path, methods in paths.items() for method, each in methods.items()}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": document()["components"]}


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert {(method, path.rstrip("/")) for method, path in described()} == routes() - WITHOUT_WORDS
    assert {method for method, _ in described()} <= set(METHODS)


def test_every_error_of_the_tree_is_in_the_document() -> None:
    tree, left = set(), [errors.SimilarixError]
    while left:
        kind = left.pop()
        tree.add((kind.status, kind.code))
        left += kind.__subclasses__()
    known = {(status, code) for status, (_, codes) in REFUSALS.items() for code in codes}
    assert tree <= known
    assert known - tree == {(429, "too_many_requests")}, "of API Gateway's own"


@pytest.mark.parametrize("call", sorted(described()))
def test_every_example_is_one_that_its_schema_allows(call: tuple[str, str]) -> None:
    operation = described()[call]
    for answer in operation["responses"].values():
        content = answer.get("content", {}).get("application/json")
        if content:
            jsonschema.Draft202012Validator(resolved(content["schema"])).validate(content["example"])
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        jsonschema.Draft202012Validator(resolved(body["schema"])).validate(example(body["schema"]))


def test_every_call_has_a_name_of_its_own_and_its_parameters_are_those_of_its_path() -> None:
    names = [operation["operationId"] for operation in described().values()]
    assert len(set(names)) == len(names)
    for (_, path), operation in described().items():
        in_path = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert in_path == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, path
