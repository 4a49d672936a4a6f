"""What the two packages are made of, as CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/.

    python -m infra.bill_of_materials [--model lite]

packages the application and writes ``api.cdx.json`` and ``embedder.cdx.json`` beside it. The same parts give the same
bytes: the serial number is made of them, and no time is recorded.
"""

import argparse
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from embedder_container.models import ModelDescription, load_description
from infra.dependencies import Dependency, InstallationError, choose
from infra.embedder import PACKAGE
from infra.package import ROOT, Package, PackagingError, package
from infra.workers import EMBEDDER

# FROM name:tag@sha256:…, as embedder_container/Dockerfile has it.
_BASE_IMAGE = re.compile(r"^FROM (?P<name>[^:@\s]+):(?P<tag>[^@\s]+)@sha256:(?P<digest>[0-9a-f]{64})$", re.M)


def api_bill(root: Path, packaged: Package) -> str:
    """The parts of the archive of the API and the workers, with the archive's own digest."""
    # Chalice packages two files of its own, from where it is installed.
    chalice = _pypi_package("chalice", version("chalice"))
    return _bill(root, "similarix-api", [chalice, *map(_locked_package, packaged.dependencies)], packaged.sha256)


def embedder_bill(root: Path, dependencies: Iterable[Dependency], model: ModelDescription) -> str:
    """The parts of the embedder's image: packages, base image, and the model's files."""
    dockerfile = (root / PACKAGE / "Dockerfile").read_text()
    return _bill(
        root, "similarix-embedder", [_base_image(dockerfile), _model(model), *map(_locked_package, dependencies)]
    )


def _bill(root: Path, name: str, parts: Sequence[Component], sha256: str = "") -> str:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    whole = Component(
        name=name,
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=name,
        hashes=[_sha256(sha256)] if sha256 else [],
    )
    bill = Bom(components=parts, metadata=BomMetaData(component=whole))
    bill.metadata.timestamp = None  # type: ignore[assignment]  # the schema wants none; its setter takes it
    bill.serial_number = uuid.UUID(int=0)
    bill.register_dependency(whole, parts)
    bill.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, JsonV1Dot6(bill).output_as_string())
    return str(JsonV1Dot6(bill).output_as_string(indent=2)) + "\n"


def _locked_package(dependency: Dependency) -> Component:
    return _pypi_package(canonicalize_name(dependency.name), dependency.version, dependency.sha256)


def _pypi_package(name: str, number: str, sha256: str = "") -> Component:
    url = PackageURL("pypi", None, name, number)
    return Component(
        name=name,
        version=number,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=url.to_string(),
        hashes=[_sha256(sha256)] if sha256 else [],
    )


def _base_image(dockerfile: str) -> Component:
    """Raises ValueError when the base image is not named by its digest."""
    base = _BASE_IMAGE.search(dockerfile)
    if base is None:
        raise ValueError("The Dockerfile names its base image without a digest.")
    return Component(
        name=base["name"],
        version=f"{base['tag']}@sha256:{base['digest']}",
        type=ComponentType.CONTAINER,
        bom_ref=f"{base['name']}@sha256:{base['digest']}",
        hashes=[_sha256(base["digest"])],
    )


def _model(model: ModelDescription) -> Component:
    files = [
        Component(
            name=file.name,
            type=ComponentType.FILE,
            bom_ref=f"{model.name}/{file.name}",
            hashes=[_sha256(file.sha256)] if file.sha256 else [],
        )
        for file in model.files
    ]
    return Component(
        name=model.name,
        version=model.revision,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model {model.name}",
        components=files,
    )


def _sha256(content: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=content)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make package", description="Package the application, and list its parts.")
    parser.add_argument("--model", default="lite", help="of the embedder's image (default: %(default)s)")
    options = parser.parse_args()
    try:
        packaged = package()
        embedder = embedder_bill(
            ROOT,
            choose(ROOT / PACKAGE / "requirements.txt", EMBEDDER.architecture),
            load_description(ROOT / PACKAGE / "models", options.model),
        )
    except (PackagingError, InstallationError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    folder = packaged.code.parent
    (folder / "api.cdx.json").write_text(api_bill(ROOT, packaged))
    (folder / "embedder.cdx.json").write_text(embedder)
    size = packaged.code.stat().st_size / 1e6
    print(f"{packaged.code.relative_to(ROOT)}: {size:.1f} MB, sha256 {packaged.sha256}")
    print(f"{folder.relative_to(ROOT)}: sam.json, api.cdx.json and embedder.cdx.json (the model {options.model})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
