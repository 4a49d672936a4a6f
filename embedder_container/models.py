"""The registry of models: `models.toml` beside this file, and folders with a `model.json` of the same shape.

A model is a folder with its tokenizer and two ONNX graphs. `vision.onnx` maps pixels float32 [1, 3, S, S] to an
embedding [1, D]; `text.onnx` maps token ids [1, L], with an attention mask where it asks for one, to one.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from embedder_container import DECODE_VERSION

PACKAGE = Path(__file__).resolve().parent
MODELS_SHIPPED = PACKAGE / "models"
REGISTRY = PACKAGE / "models.toml"
DESCRIPTION_FILE = "model.json"

CHOICES = {
    "resize": ("shortest_edge", "squash"),
    "resample": ("bicubic", "bilinear", "lanczos"),
    "clean": ("none", "repair", "canonical"),
    "pad_to": ("longest", "context_length"),
}


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: downloaded from `url`, or shipped with this package, at `shipped` or in the model's folder.

    `size` is None where only `max_size`, a bound, is known; `sha256` is None where the file is not pinned.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    shipped: str | None = None
    max_size: int | None = None

    @property
    def limit(self) -> int:
        """The most bytes that the file may have."""
        limit = self.size or self.max_size
        assert limit is not None
        return limit


@dataclass(frozen=True)
class PreprocessingConfig:
    """How a picture becomes a model's tensor; `models.toml` explains each value."""

    size: int
    resize: str
    resample: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    exact: bool = False

    def to_json(self) -> str:
        """For `from_json`, in another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, written: str) -> "PreprocessingConfig":
        found = json.loads(written)
        return cls(**found | {"mean": tuple(found["mean"]), "std": tuple(found["std"])})


@dataclass(frozen=True)
class ModelDescription:
    """What preprocessing, tokenizing and the caller must know about a model; `models.toml` explains each value."""

    folder: Path
    name: str
    revision: str
    description: str
    dimension: int
    image: PreprocessingConfig
    context_length: int
    clean: str
    pad_id: int
    pad_to: str
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def model_version(self) -> str:
        """The name of the vector space, such as `lite-1+d2`: model, revision, version of the decoding, `x` if exact."""
        return f"{self.name}-{self.revision}+d{DECODE_VERSION}{'x' if self.image.exact else ''}"

    def path(self, name: str) -> Path:
        """Where the file called `name` lies, or would: in the model's folder, else where this package ships it."""
        own = self.folder / name
        shipped = next((file.shipped for file in self.files if file.name == name), None)
        return own if shipped is None or own.exists() else PACKAGE / shipped


def load_description(models_dir: Path, name: str) -> ModelDescription:
    """The card of the model called `name`; raises ValueError when there is none or it is incomplete."""
    # The name becomes a path: keep it inside the models' directory.
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise ValueError(f"{name!r} is no name of a model")
    folder = models_dir / name
    if (folder / DESCRIPTION_FILE).exists():
        return load_bundle(folder, name)
    registered = registry().get(name)
    if registered is None:
        raise ValueError(f"there is no model {name!r}: known are {', '.join(registry())}")
    if registered.get("shipped") and not folder.is_dir():
        folder = MODELS_SHIPPED / name
    return _card(folder, {"name": name, **registered}, REGISTRY)


def load_bundle(folder: Path, name: str | None = None) -> ModelDescription:
    """The card of the model in `folder`, which has a `model.json`; raises ValueError as `load_card` does."""
    path = folder / DESCRIPTION_FILE
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{path} is not a model's card: {error}") from None
    card = _card(folder, found, path)
    if name is not None and card.name != name:
        raise ValueError(f"{path} describes {card.name!r}, not {name!r}")
    return card


@cache
def registry() -> Mapping[str, Mapping[str, Any]]:
    """The models of `models.toml`, as they stand there."""
    with REGISTRY.open("rb") as stream:
        return tomllib.load(stream)


def _card(folder: Path, found: Mapping[str, Any], source: Path) -> ModelDescription:
    try:
        card = _parse(folder, found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{source} is not a model's card: {error!r}") from error
    for field, choices in CHOICES.items():
        if (chosen := getattr(card.image if field.startswith("res") else card, field)) not in choices:
            raise ValueError(f"{source}: {field} is {chosen!r}, and may be {', '.join(choices)}")
    for file in card.files:
        if Path(file.name).name != file.name or not (PACKAGE / (file.shipped or "")).resolve().is_relative_to(PACKAGE):
            raise ValueError(f"{source} names a file outside its folder")
        if file.size is None and file.max_size is None:
            raise ValueError(f"{source}: {file.name} has neither a size nor a bound of it")
    return card


def _parse(folder: Path, found: Mapping[str, Any]) -> ModelDescription:
    image, text = found["image"], found["text"]
    red, green, blue = image["mean"]
    red_std, green_std, blue_std = image["std"]
    return ModelDescription(
        folder=folder,
        name=found["name"],
        revision=str(found["revision"]),
        description=found.get("description", ""),
        dimension=int(found["dimension"]),
        image=PreprocessingConfig(
            size=int(image["size"]),
            resize=image["resize"],
            resample=image["resample"],
            mean=(red, green, blue),
            std=(red_std, green_std, blue_std),
            exact=bool(image.get("exact", False)),
        ),
        context_length=int(text["context_length"]),
        clean=text.get("clean", "none"),
        pad_id=int(text["pad"]["id"]),
        pad_to=text["pad"]["to"],
        licence=found["licence"],
        files=tuple(ModelFile(name, **file) for name, file in found["files"].items()),
    )
