"""The registry of models: a model is a folder `MODELS_DIR/NAME/` with its card, its tokenizer and two ONNX graphs.

`vision.onnx` maps `pixel_values` float32 [1, 3, S, S] to `image_embeds` [1, D]; `text.onnx` maps `input_ids` and
`attention_mask` int64 [1, L] to `text_embeds` [1, D]; `model.json` holds every number that differs between models.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder_container import DECODE_VERSION


@dataclass(frozen=True)
class ModelFile:
    """One pinned file of a model; without a url it ships with this package."""

    name: str
    size: int
    sha256: str
    url: str | None = None


@dataclass(frozen=True)
class ModelCard:
    """A model's `model.json`: what preprocessing, tokenizing and the caller must know about it."""

    folder: Path
    name: str
    revision: str
    dimension: int
    image_size: int
    resize: str  # 'shortest_edge' (then a centre crop) or 'squash' (to the square, whatever the aspect ratio)
    resample: str  # 'bicubic', 'bilinear' or 'lanczos', antialiased as Pillow does
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    context_length: int
    pad_id: int
    pad_to: str  # 'longest' (a text alone is not padded) or 'context_length' (for graphs of fixed length)
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def stamp(self) -> str:
        """The name of the vector space, such as `lite-1+d1`: model, revision, version of the decoding."""
        return f"{self.name}-{self.revision}+d{DECODE_VERSION}"


def load_card(models_dir: Path, name: str) -> ModelCard:
    """Read the card of the model called `name`; raises ValueError when there is none or it is incomplete."""
    # The name becomes a path: keep it inside the models' directory.
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise ValueError(f"{name!r} is no name of a model")
    path = models_dir / name / "model.json"
    try:
        card = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no model {name!r}: {path} does not exist") from None
    try:
        loaded = _parse_card(path.parent, card)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a model's card: {error!r}") from error
    if loaded.name != name or loaded.resize not in ("shortest_edge", "squash"):
        raise ValueError(f"{path} describes {loaded.name!r} with resize {loaded.resize!r}, which is not understood")
    if any(Path(file.name).name != file.name for file in loaded.files):
        raise ValueError(f"{path} names a file outside its folder")
    return loaded


def _parse_card(folder: Path, card: dict[str, Any]) -> ModelCard:
    image, text = card["image"], card["text"]
    red, green, blue = image["mean"]
    red_std, green_std, blue_std = image["std"]
    return ModelCard(
        folder=folder,
        name=card["name"],
        revision=str(card["revision"]),
        dimension=int(card["dimension"]),
        image_size=int(image["size"]),
        resize=image["resize"],
        resample=image["resample"],
        mean=(red, green, blue),
        std=(red_std, green_std, blue_std),
        context_length=int(text["context_length"]),
        pad_id=int(text["pad"]["id"]),
        pad_to=text["pad"]["to"],
        licence=card["licence"],
        files=tuple(
            ModelFile(name, int(file["size"]), file["sha256"], file.get("url")) for name, file in card["files"].items()
        ),
    )
