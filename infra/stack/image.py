"""The embedder's image in ECR: looked at before a deployment, and named by its digest.

A tag may lead to another image tomorrow, and CloudFormation sees no change where the text stays the same.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from botocore.exceptions import ClientError

from infra.cloudformation import DeploymentError

Fetch = Callable[[str], bytes]  # of a presigned URL

BUILD = "docker build --platform linux/amd64 --provenance=false -f embedder_container/Dockerfile"
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html; without a tag it is 'latest', as for docker.
_URI = re.compile(
    r"(?P<host>(?P<account>[0-9]{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)"
    r"/(?P<repository>[a-z0-9][a-z0-9._/-]*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
# One image, as docker and as OCI word it; a list of images has another type, and Lambda refuses it:
# https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_PROCESSORS = {"x86_64": "amd64", "arm64": "arm64"}  # Lambda's names and those of images
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Image:
    """``model`` is the one that the image contains; None where it does not say."""

    uri: str
    model: str | None


def fetch(url: str) -> bytes:
    """The content of a presigned URL."""
    answer = requests.get(url, timeout=_TIMEOUT_SECONDS)
    answer.raise_for_status()
    return answer.content


def inspect(ecr: Any, uri: str, *, region: str, architecture: str, fetch: Fetch = fetch) -> Image:
    """The image that a tag leads to now, by its digest.

    Args:
        region: of the stack; Lambda takes images of its own region alone.
        architecture: of the function, in Lambda's words.

    Raises:
        DeploymentError: there is no such image, or Lambda would refuse it, or could not run it.
    """
    named = _URI.fullmatch(uri)
    if named is None:
        raise DeploymentError(
            f"{uri!r} is no image in ECR. Push the image, and name it as in "
            f"111122223333.dkr.ecr.{region}.amazonaws.com/similarix-embedder:1."
        )
    if named["region"] != region:
        raise DeploymentError(
            f"The image {uri} is in {named['region']}, and the stack in {region}. Push it to {region}."
        )
    where: dict[str, Any] = {"registryId": named["account"], "repositoryName": named["repository"]}
    manifest, digest = _manifest(ecr, uri, where, named["digest"], named["tag"] or "latest")
    settings = _settings(ecr, uri, where, manifest, fetch)
    processor = settings.get("architecture")
    if processor != _PROCESSORS[architecture]:
        raise DeploymentError(
            f"The image {uri} is built for {processor}, and the function runs on {architecture}. Build it so: {BUILD} …"
        )
    return Image(f"{named['host']}/{named['repository']}@{digest}", _model(settings))


def _manifest(
    ecr: Any, uri: str, where: Mapping[str, Any], digest: str | None, tag: str
) -> tuple[Mapping[str, Any], str]:
    wanted: Any = [{"imageDigest": digest} if digest else {"imageTag": tag}]
    try:
        answer = ecr.batch_get_image(imageIds=wanted, acceptedMediaTypes=[*_MANIFESTS, *_LISTS], **where)
    except ClientError as error:
        if error.response["Error"]["Code"] == "RepositoryNotFoundException":
            raise DeploymentError(
                f"The registry of {where['registryId']} has no repository {where['repositoryName']!r}. Make it, and "
                "push the embedder's image to it."
            ) from error
        raise
    if not answer.get("images"):
        raise DeploymentError(f"There is no image {uri}. Push it, or name one that is there with --image.")
    image = answer["images"][0]
    return json.loads(image["imageManifest"]), image["imageId"]["imageDigest"]


def _settings(
    ecr: Any, uri: str, where: Mapping[str, Any], manifest: Mapping[str, Any], fetch: Fetch
) -> Mapping[str, Any]:
    """The image's configuration, which says what it is built for."""
    if "config" not in manifest:
        raise DeploymentError(f"{uri} is a list of images, which Lambda refuses. Build a single one: {BUILD} …")
    layer = ecr.get_download_url_for_layer(layerDigest=manifest["config"]["digest"], **where)
    settings: Mapping[str, Any] = json.loads(fetch(layer["downloadUrl"]))
    return settings


def _model(settings: Mapping[str, Any]) -> str | None:
    variables = settings.get("config", {}).get("Env") or ()
    return next((value.removeprefix("MODEL=") for value in variables if value.startswith("MODEL=")), None)
