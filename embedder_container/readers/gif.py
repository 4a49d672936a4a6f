"""GIF: the first frame on a canvas that is transparent where the frame does not cover it."""

from typing import ClassVar

from PIL import Image

from embedder_container.readers.picture import EncodedPicture


class GifPicture(EncodedPicture):
    format: ClassVar[str] = "GIF"

    def load(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        extents = image.tile[0][1] if image.tile else None  # type: ignore[attr-defined]
        image.load()
        if extents is None or tuple(extents) == (0, 0, *image.size):
            return image, None
        # Pillow paints the rest in the palette's first colour; browsers leave it transparent.
        whole = image.convert("RGBA")
        alpha = Image.new("L", image.size, 0)
        alpha.paste(whole.getchannel("A").crop(extents), extents)
        return whole.convert("RGB"), alpha
