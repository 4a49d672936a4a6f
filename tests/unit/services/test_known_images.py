"""Images by their content: what was found is not looked for again, and what is gone is forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.embeddings import ImageEmbedding, KnownImage
from chalicelib.services.pipeline.known_images import KnownImages
from tests.unit.services.harness import Harness

CONTENTS = "abcdef"


@dataclass
class Catalogue:
    """Knows an image of each content but of those that it lacks."""

    lacking: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def find_by_content(self, content_keys: Sequence[str]) -> dict[str, KnownImage]:
        self.asked += content_keys
        return {content: _image(content) for content in content_keys if content not in self.lacking}


def _image(content: str) -> KnownImage:
    return KnownImage(ImageEmbedding("model", b"", 1, content, 1, 1, "JPEG"), f"{content}.jpg", "collection")


class TestWhatIsLookedUp:
    def test_a_content_that_was_found_is_not_looked_up_again(self) -> None:
        catalogue = Catalogue()
        images = KnownImages(catalogue.find_by_content)
        assert images.find(["a", "b"]) == {"a": _image("a"), "b": _image("b")}
        assert images.find(["b", "c"]) == {"b": _image("b"), "c": _image("c")}
        assert catalogue.asked == ["a", "b", "c"]

    def test_a_content_that_was_not_found_is_looked_up_again(self) -> None:
        catalogue = Catalogue(lacking={"a"})
        images = KnownImages(catalogue.find_by_content)
        assert images.find(["a"]) == {}
        catalogue.lacking.clear()
        assert images.find(["a"]) == {"a": _image("a")}

    def test_a_forgotten_content_is_looked_up_again(self) -> None:
        catalogue = Catalogue()
        images = KnownImages(catalogue.find_by_content)
        images.find(["a", "b"])
        images.forget(["a", "never found"])
        catalogue.lacking = {"a"}
        assert images.find(["a", "b"]) == {"b": _image("b")}

    @given(st.lists(st.lists(st.sampled_from(CONTENTS), unique=True, min_size=1), max_size=12), st.integers(1, 4))
    def test_each_answer_is_the_catalogues_and_the_latest_contents_are_remembered(
        self, requests: list[list[str]], most: int
    ) -> None:
        catalogue = Catalogue(lacking={"f"})
        images = KnownImages(catalogue.find_by_content, max_images=most)
        for request in requests:
            assert images.find(request) == {content: _image(content) for content in request if content != "f"}
            remembered = [content for content in request if content != "f"][-1:]
            catalogue.asked.clear()
            images.find(remembered)
            assert catalogue.asked == []


class TestReuseOfWhatIsRemembered:
    def test_a_copy_whose_remembered_original_is_gone_is_embedded_itself(self, world: Harness) -> None:
        world.put("a.jpg", "copy.jpg", body=b"one")
        world.apply("a.jpg")
        world.apply("copy.jpg")  # by which the image of these bytes is remembered
        world.ports.storage.thumbnails.clear()
        world.put("later.jpg", body=b"one")
        world.apply("later.jpg")
        assert world.embedder.embedded == [b"one", b"one"]
        record = world.record("later.jpg")
        assert record is not None and record.thumbnail is not None
        assert world.ports.storage.thumbnail(record.collection, record.thumbnail) == b"thumbnail of one"

    def test_a_copy_whose_remembered_original_is_gone_takes_the_image_of_another_file(self, world: Harness) -> None:
        world.put("a.jpg", "copy.jpg", "third.jpg", body=b"one")
        for key in ("a.jpg", "copy.jpg", "third.jpg"):
            world.apply(key)
        world.put("a.jpg", body=b"two")  # its image of the first bytes, which is remembered, goes
        world.apply("a.jpg")
        embedded = list(world.embedder.embedded)
        world.put("later.jpg", body=b"one")
        world.apply("later.jpg")
        assert world.embedder.embedded == embedded
        assert "later.jpg" in world.searchable()
