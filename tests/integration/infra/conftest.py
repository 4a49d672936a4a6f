import pytest

from infra.package import Package, package


@pytest.fixture(scope="session")
def packaged(tmp_path_factory) -> Package:
    """The real application, packaged by Chalice."""
    return package(out=tmp_path_factory.mktemp("package"), thin=True)


@pytest.fixture(scope="session")
def template(packaged) -> dict:
    return packaged.template


@pytest.fixture(scope="session")
def resources(template) -> dict:
    return template["Resources"]


@pytest.fixture(scope="session")
def functions(resources) -> dict:
    """The properties of each function."""
    return of_type(resources, "AWS::Serverless::Function")


def of_type(resources: dict, kind: str) -> dict:
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}
