"""The embedder's image is looked at in the registry, and named by its digest."""

import pytest

from infra.cloudformation import DeploymentError
from infra.stack.image import Image, inspect
from tests.fakes.registry_of_images import ACCOUNT, FakeImages

HOST = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.fixture
def images() -> FakeImages:
    return FakeImages()


def look(images: FakeImages, uri: str, region: str = "eu-central-1", architecture: str = "x86_64") -> Image:
    return inspect(images.client, uri, region=region, architecture=architecture, fetch=images.fetch)


def test_a_tag_becomes_the_digest_that_it_leads_to_now(images):
    digest = images.push("similarix-embedder", "1", model="clip-vit-b-32")

    assert look(images, f"{HOST}/similarix-embedder:1") == Image(f"{HOST}/similarix-embedder@{digest}", "clip-vit-b-32")


def test_an_image_that_is_pushed_again_under_its_tag_is_another_image(images):
    images.push("team/embedder", "1", number=1)
    before = look(images, f"{HOST}/team/embedder:1")
    images.push("team/embedder", "1", number=2)

    assert look(images, f"{HOST}/team/embedder:1") != before


def test_an_image_without_a_tag_is_the_latest_and_a_digest_stays(images):
    digest = images.push("embedder", "latest")

    assert look(images, f"{HOST}/embedder").uri == f"{HOST}/embedder@{digest}"
    assert look(images, f"{HOST}/embedder@{digest}").uri == f"{HOST}/embedder@{digest}"


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("similarix-embedder:1", r"no image in ECR.*Push the image"),
        ("docker.io/library/python:3.13", "no image in ECR"),
        (f"{HOST}/similarix-embedder:two words", "no image in ECR"),
        (
            f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/similarix-embedder:1",
            "is in eu-west-1.*the stack in eu-central-1",
        ),
        (f"{HOST}/nothing:1", "no repository 'nothing'"),
        (f"{HOST}/similarix-embedder:2", "There is no image .*similarix-embedder:2"),
        (f"{HOST}/similarix-embedder@sha256:{9:064x}", "There is no image"),
    ],
)
def test_an_image_that_is_not_there_is_refused_with_a_sentence_that_says_what_to_do(images, uri, sentence):
    images.push("similarix-embedder", "1")

    with pytest.raises(DeploymentError, match=sentence):
        look(images, uri)


def test_an_image_for_another_processor_is_refused_with_the_command_that_builds_the_right_one(images):
    images.push("embedder", "1", architecture="arm64")

    with pytest.raises(DeploymentError, match=r"built for arm64.*runs on x86_64.*--platform linux/amd64"):
        look(images, f"{HOST}/embedder:1")
    assert look(images, f"{HOST}/embedder:1", architecture="arm64")


def test_a_list_of_images_is_refused_as_lambda_would(images):
    images.push_list("embedder", "1")

    with pytest.raises(DeploymentError, match=r"list of images.*--provenance=false"):
        look(images, f"{HOST}/embedder:1")
