"""The OpenAPI document agrees with the routes, with the errors, and with itself."""

import re
from html import escape
from typing import Any

import jsonschema
import pytest
from chalice.app import Chalice

from chalicelib.api.dispatch import Dispatcher
from chalicelib.api.openapi.builders import obj, text
from chalicelib.api.openapi.code_samples import code_samples
from chalicelib.api.openapi.components import NamedSchemas
from chalicelib.api.openapi.document import REFUSALS, build_document
from chalicelib.api.openapi.page import render_page
from chalicelib.api.requests.bodies import parse_bucket_description, parse_new_token
from chalicelib.api.routes import FALLBACK_PATHS, METHODS, blueprints, register_routes
from chalicelib.domain import errors
from tests.factories import NOW

# Types that a file of Java, Kotlin, C#, Swift, Go, Python, PHP, Ruby or TypeScript sees without asking for them, or
# that generated clients ask for.
LANGUAGE_TYPES = (
    "any array arraylist bool boolean byte character class client collection configuration context date datetime "
    "dictionary double enum error exception file float function generic guid hash int integer interface iterable list "
    "locale long map message method model module namespace nil none null number object operation option optional "
    "package parameter pair path process promise property proxy range record regexp request response result route "
    "sequence server service session set string struct symbol table task test thread time timestamp type union unit "
    "unknown uri url uuid value vector void api apierror apiresponse apiclient"
)
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


def references(node: Any) -> set[str]:
    """What a part of the document refers to."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list | tuple) else set()


def schema_name(reference: str) -> str:
    return reference.removeprefix("#/components/schemas/") if "/schemas/" in reference else ""


def schemas_in(node: Any) -> set[str]:
    """The names of the schemas that a part of the document uses."""
    names: set[str] = set()
    unvisited = [node]
    while unvisited:
        found = {name for name in map(schema_name, references(unvisited.pop())) if name} - names
        names |= found
        unvisited += [SCHEMAS[name] for name in found]
    return names


def parts(node: Any) -> list[dict[str, Any]]:
    """All objects in a part of the document."""
    if isinstance(node, dict):
        return [node] + [part for value in node.values() for part in parts(value)]
    return [part for item in node for part in parts(item)] if isinstance(node, list) else []


SCHEMAS = DOCUMENT["components"]["schemas"]
RESPONSES = [
    response
    for operation in operations().values()
    for response in operation["responses"].values()
    if "$ref" not in response
] + list(DOCUMENT["components"]["responses"].values())
BODIES = [operation["requestBody"] for operation in operations().values() if "requestBody" in operation]


@pytest.mark.parametrize("route", sorted(operations()))
def test_every_example_conforms_to_its_schema(route: tuple[str, str]) -> None:
    operation = operations()[route]
    json = [response.get("content", {}).get("application/json") for response in operation["responses"].values()]
    json.append(operation.get("requestBody", {}).get("content", {}).get("application/json"))
    for content in filter(None, json):
        jsonschema.Draft202012Validator(with_components(content["schema"])).validate(content["example"])
    for parameter in operation.get("parameters", []):
        jsonschema.Draft202012Validator(parameter["schema"]).validate(parameter["example"])


@pytest.mark.parametrize("route", sorted(operations()))
def test_every_operation_says_what_a_client_and_its_author_need(route: tuple[str, str]) -> None:
    operation = operations()[route]
    assert re.fullmatch("[a-z]+([A-Z][a-z]+)+", operation["operationId"]), "a verb and its object, in camel case"
    assert operation["summary"]
    assert operation["description"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
        assert "example" in parameter, parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert content["example"]
    successes = [response for status, response in operation["responses"].items() if status < "400"]
    shapes = {
        content["schema"]["$ref"]
        for response in successes
        for content in response.get("content", {}).values()
        if "$ref" in content["schema"]
    }
    pictures = [response for response in successes if "image/jpeg" in response.get("content", {})]
    assert len(shapes) + len(pictures) == 1, "one shape, which has a name"


def test_every_tag_and_the_document_itself_are_described() -> None:
    used = {tag for operation in operations().values() for tag in operation["tags"]}
    assert {tag["name"] for tag in DOCUMENT["tags"]} == used
    assert all(tag["description"] for tag in DOCUMENT["tags"])
    assert {"description", "contact", "license"} <= set(DOCUMENT["info"])


def test_no_response_has_alternatives_constants_or_closed_enumerations() -> None:
    for part in parts([RESPONSES, [SCHEMAS[name] for name in sorted(schemas_in(RESPONSES))]]):
        schema = "properties" in part or "type" in part or "$ref" in part
        assert not (schema and {"oneOf", "allOf", "const", "enum"} & set(part)), part
        if "anyOf" in part:
            assert [sorted(option) for option in part["anyOf"]] == [["$ref"], ["type"]], "an object, or null"


def test_responses_may_get_fields_and_requests_may_not() -> None:
    in_requests, in_responses = schemas_in(BODIES), schemas_in(RESPONSES)
    assert not in_requests & in_responses
    for name in in_responses:
        assert SCHEMAS[name].get("additionalProperties", True) is not False, name
    for name in in_requests:
        assert "oneOf" in SCHEMAS[name] or SCHEMAS[name]["additionalProperties"] is False, name


def test_every_object_with_known_fields_has_a_name() -> None:
    for name, schema in SCHEMAS.items():
        assert not [
            part for part in parts(list(schema.values())) if part.get("type") == "object" and "properties" in part
        ], name


def test_numbers_have_the_size_that_every_language_needs() -> None:
    for part in parts(DOCUMENT):
        kinds = part.get("type", ())
        if "integer" in kinds:
            assert part["format"] == "int64", part
        if kinds in ("number", ["number", "null"]):
            assert part["format"] == "double", part


def test_no_schema_has_the_name_of_a_type_or_of_a_constructor() -> None:
    assert {name.lower() for name in SCHEMAS}.isdisjoint(LANGUAGE_TYPES.split())
    assert not {f"New{name}" for name in SCHEMAS} & set(SCHEMAS), "what Go's generators call constructors"
    operation_ids = {operation["operationId"].lower() for operation in operations().values()}
    suffixes = ("response", "responses", "request", "params", "data", "error", "errors", "body", "jsonbody")
    taken = {operation_id + suffix for operation_id in operation_ids for suffix in suffixes}
    assert {name.lower() for name in SCHEMAS}.isdisjoint(taken), "what generators call an operation's types"


def test_every_operation_with_an_identifier_is_reached_by_a_link() -> None:
    linked = {name for part in RESPONSES for name in part.get("links", {})}
    for operation in operations().values():
        taken = {p["x-identifies"] for p in operation.get("parameters", []) if p["in"] == "path"}
        if taken and "thumbnail" not in taken:  # its name is not an identifier
            assert operation["operationId"] in linked, operation["operationId"]


def test_every_link_leads_to_what_the_example_has() -> None:
    by_id = {operation["operationId"]: operation for operation in operations().values()}
    for response in RESPONSES:
        for name, link in response.get("links", {}).items():
            in_path = {p["name"]: p for p in by_id[name]["parameters"] if p["in"] == "path"}
            assert set(link["parameters"]) == set(in_path)
            for parameter, expression in link["parameters"].items():
                value = response["content"]["application/json"]["example"]
                for step in expression.removeprefix("$response.body#/").split("/"):
                    value = value[int(step)] if isinstance(value, list) else value[step]
                jsonschema.Draft202012Validator(in_path[parameter]["schema"]).validate(value)


def test_operation_ids_are_unique_and_path_parameters_are_those_of_the_path() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(set(names)) == len(names)
    for (_, path), operation in operations().items():
        in_path = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert in_path == {part.strip("{}") for part in path.split("/") if part.startswith("{")}, path


def test_every_path_but_the_thumbnails_ends_in_a_slash() -> None:
    assert {path for path in DOCUMENT["paths"] if not path.endswith("/")} == {"/media/{collection}/{file}"}


def test_everything_that_is_referenced_exists() -> None:
    components = DOCUMENT["components"]
    known = {f"#/components/{kind}/{name}" for kind, entries in components.items() for name in entries}
    assert references(DOCUMENT) <= known


def test_the_page_has_every_operation_in_three_languages() -> None:
    page = render_page(DOCUMENT)
    for (method, path), operation in operations().items():
        samples = code_samples(path, method, operation)
        assert list(samples) == ["curl", "Python", "JavaScript"]
        assert all(escape(code) in page for code in samples.values())


def test_two_schemas_of_one_name_are_refused() -> None:
    schemas = NamedSchemas()
    schemas.add("Owl", obj({"name": text("Its name")}))
    schemas.add("Owl", obj({"name": text("Its name")}))
    with pytest.raises(ValueError, match="Owl"):
        schemas.add("Bird", obj({"owl": obj({"age": text("Its age")}, title="Owl")}))


BODY_SCHEMAS = {
    "BucketDescription": (parse_bucket_description, {"bucket": "a-bucket", "region": "eu-west-1"}),
    "TokenDefinition": (lambda body: parse_new_token(body, NOW), {"name": "laptop", "scope": "read"}),
}


@pytest.mark.parametrize(
    ("schema", "field", "value"),
    [
        *(
            ("BucketDescription", "bucket", value)
            for value in ("b", "UPPER", "a..b", "192.168.5.4", "xn--a", "a--x-s3", "a" * 64)
        ),
        *(("BucketDescription", "region", value) for value in ("", "Frankfurt", "eu central")),
        *(("BucketDescription", "role_arn", value) for value in ("", "arn:aws:iam::111122223333:role/reader")),
        *(("BucketDescription", "folder", value) for value in ("\0", "x" * 901, 5)),
        *(("TokenDefinition", "name", value) for value in ("", "  ", "\0", "x" * 101)),
        *(("TokenDefinition", "scope", value) for value in ("", "Read", None)),
    ],
)
def test_what_the_code_refuses_the_schema_refuses(schema: str, field: str, value: Any) -> None:
    parse, valid = BODY_SCHEMAS[schema]
    validator = jsonschema.Draft202012Validator(with_components(SCHEMAS[schema]))
    parse(valid)
    validator.validate(valid)
    body = {**valid, field: value}
    with pytest.raises(errors.InvalidRequest):
        parse(body)
    assert not validator.is_valid(body)
