"""A name of the API's own, mapped as infra/template/domain_name.yaml maps it: the contract's paths, without a stage."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local_system import LocalSystem
from infra.package import STAGE
from infra.template import read_template
from tests.e2e.harness import Caller

NAME = "similarix.localhost"


@pytest.fixture
def named(stack: LocalSystem, aws: Callable[..., Any]) -> Iterator[Caller]:
    """The demo account, which calls the emulator by the API's own name."""
    mapping = read_template()["Resources"]["ApiMapping"]["Properties"]
    assert "BasePath" not in mapping
    gateway, (rest_api, stage) = aws("apigateway"), stack.api_url.split("/")[-2:]
    assert stage == STAGE
    gateway.create_domain_name(domainName=NAME, endpointConfiguration={"types": ["REGIONAL"]})
    gateway.create_base_path_mapping(domainName=NAME, restApiId=rest_api, stage=stage)
    yield Caller(stack.aws_endpoint, stack.token)
    gateway.delete_base_path_mapping(domainName=NAME, basePath="(none)")
    gateway.delete_domain_name(domainName=NAME)


def test_the_routes_begin_at_the_root_of_the_name(named: Caller) -> None:
    host = {"Host": f"{NAME}:{named.base_url.rpartition(':')[2]}"}
    found = named.result("GET", "/api/search/", params={"query": "an owl", "limit": 3}, headers=host)

    assert found["files"][0]["file_name"] == "owl.jpg"
    assert named("GET", f"/{STAGE}/api/search/", params={"query": "an owl"}, headers=host).status_code == 404
    assert named("GET", "/api/docs/", headers=host).ok
