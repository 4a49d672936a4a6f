"""The OpenAPI document agrees with the routes, with the errors, and with itself."""

from typing import Any

import jsonschema
import pytest
from chalice.app import Chalice

from chalicelib.api.dispatch import Dispatcher
from chalicelib.api.openapi.document import REFUSALS, build_document
from chalicelib.api.openapi.examples import example
from chalicelib.api.routes import FALLBACK_PATHS, METHODS, blueprints, register_routes
from chalicelib.domain import errors

UNDOCUMENTED = {("GET", "/api/openapi.json"), ("GET", "/api/docs")}


def no_services() -> Any:
    raise AssertionError("nothing is requested")


def document() -> dict[str, Any]:
    dispatcher = Dispatcher(no_services)
    blueprints(dispatcher)
    return build_document(dispatcher.documented_routes)


DOCUMENT = document()


def is_fallback(view: Any) -> bool:
    """Whether the view only reports a wrong method or an unknown path."""
    return view.view_function.__name__ in ("wrong_method", "unknown_path")


def routes() -> set[tuple[str, str]]:
    app = Chalice("routes")
    register_routes(app, no_services)
    return {
        (method, path)
        for path, views in app.routes.items()
        for method, view in views.items()
        if path not in FALLBACK_PATHS and not is_fallback(view) and method not in ("HEAD", "OPTIONS")
    }


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    paths = DOCUMENT["paths"]
    return {(method.upper(), path): entry for path, methods in paths.items() for method, entry in methods.items()}


def with_components(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "components": DOCUMENT["components"]}


def test_every_route_is_documented_and_no_other() -> None:
    assert {(method, path.rstrip("/")) for method, path in operations()} == routes() - UNDOCUMENTED
    assert {method for method, _ in operations()} <= set(METHODS)


def test_every_error_of_the_tree_is_documented() -> None:
    tree, unvisited = set(), [errors.SimilarixError]
    while unvisited:
        error = unvisited.pop()
        tree.add((error.status, error.code))
        unvisited += error.__subclasses__()
    documented = {(status, code) for status, (_, codes) in REFUSALS.items() for code in codes}
    assert tree <= documented
    assert documented - tree == {(429, "too_many_requests")}, "API Gateway's own"


@pytest.mark.parametrize("route", sorted(operations()))
def test_every_example_conforms_to_its_schema(route: tuple[str, str]) -> None:
    operation = operations()[route]
    for response in operation["responses"].values():
        content = response.get("content", {}).get("application/json")
        if content:
            jsonschema.Draft202012Validator(with_components(content["schema"])).validate(content["example"])
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        jsonschema.Draft202012Validator(with_components(body["schema"])).validate(example(body["schema"]))


def test_operation_ids_are_unique_and_path_parameters_are_those_of_the_path() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)
    for (_, path), operation in operations().items():
        in_path = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert in_path == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, path


def test_every_path_but_the_thumbnails_ends_in_a_slash() -> None:
    assert {path for path in DOCUMENT["paths"] if not path.endswith("/")} == {"/media/{collection}/{file}"}


def test_every_referenced_schema_exists() -> None:
    def references(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*map(references, node.values()))
        return set().union(*map(references, node)) if isinstance(node, list | tuple) else set()

    components = DOCUMENT["components"]
    known = {f"#/components/{kind}/{name}" for kind, entries in components.items() for name in entries}
    assert references(DOCUMENT) <= known
