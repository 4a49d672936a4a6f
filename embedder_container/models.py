"""The registry of models: `models.toml` beside this file, and folders with a `model.json` of the same shape.

A model is a folder with its tokenizer and two ONNX graphs. `vision.onnx` maps pixels float32 [1, 3, S, S] to an
embedding [1, D]; `text.onnx` maps token ids [1, L], and an attention mask if it has that input, to an embedding [1, D].
docs/embedder.md describes `model.json` key by key.
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
SHIPPED_MODELS = PACKAGE / "models"
REGISTRY_FILE = PACKAGE / "models.toml"
DESCRIPTION_FILE = "model.json"
CALIBRATION_FILE = "calibration.json"
MODEL_FILES = ("vision.onnx", "text.onnx", "tokenizer.json")
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
REQUIRED_KEYS = (
    "name", "revision", "licence", "dimension",
    "image.size", "image.resize", "image.resample", "image.mean", "image.std",
    "text.context_length", "text.pad.id", "text.pad.to",
)  # fmt: skip

RESIZE_METHODS = ("shortest_edge", "squash")
RESAMPLE_METHODS = ("bicubic", "bilinear", "lanczos")
TEXT_CLEANINGS = ("none", "words", "repair", "canonical")
PADDINGS = ("longest", "context_length")
_UNPINNED_FILES: Mapping[str, Mapping[str, Any]] = {name: {} for name in MODEL_FILES}


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: downloaded from `url`, or shipped with this package, at `shipped` or in the model's folder.

    `size` is None if only `max_size`, an upper bound, is known; `sha256` is None if the file is not pinned. A file that
    is downloaded must be pinned and bounded; one that lies in the folder of a model need not be.
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
    """How an image becomes a model's tensor; `models.toml` explains each value."""

    size: int
    resize: str
    resample: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    full_decode: bool = False

    @property
    def square_bytes(self) -> int:
        """The size of the square that becomes the tensor, RGB."""
        return 3 * self.size**2

    def to_json(self) -> str:
        """Serialise for `from_json`, in another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PreprocessingConfig":
        fields = json.loads(text)
        return cls(**fields | {"mean": tuple(fields["mean"]), "std": tuple(fields["std"])})


@dataclass(frozen=True)
class ModelDescription:
    """What preprocessing, the tokenizer and callers need to know about a model; `models.toml` explains each value."""

    folder: Path
    name: str
    revision: str
    description: str
    dimension: int
    image: PreprocessingConfig
    context_length: int
    text_cleaning: str
    pad_id: int
    padding: str
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def model_version(self) -> str:
        """The name of the vector space, such as `lite-1+d3`: model, revision, decode version, `x` for full decoding."""
        return f"{self.name}-{self.revision}+d{DECODE_VERSION}{'x' if self.image.full_decode else ''}"

    def calibration(self) -> str | None:
        """Return the JSON that is beside the model, if there is some; the application wrote it and reads it."""
        path = self.folder / CALIBRATION_FILE
        return path.read_text("utf-8") if path.exists() else None

    def path(self, name: str) -> Path:
        """Return where a file is, or would be: in the model's folder, otherwise where this package ships it."""
        own = self.folder / name
        shipped = next((file.shipped for file in self.files if file.name == name), None)
        return own if shipped is None or own.exists() else PACKAGE / shipped


def is_folder(model: str) -> bool:
    """Whether a model is given by its folder, which is written with a slash as in `./folder`, and not by its name."""
    return "/" in model


def load_description(models_dir: Path, name: str) -> ModelDescription:
    """Return the description of a model.

    Args:
        name: of a model in `models_dir` or in the registry; or a folder, written with a slash.

    Raises:
        ValueError: there is no such model, or its description is incomplete.
    """
    if is_folder(name):
        return read_description(Path(name).expanduser())
    # The name becomes a path: keep it inside the models' directory.
    if not MODEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid name of a model")
    folder = models_dir / name
    if (folder / DESCRIPTION_FILE).exists():
        return read_description(folder, name)
    registered = registry().get(name)
    if registered is None:
        raise ValueError(
            f"there is no model {name!r}; known models: {', '.join(registry())}. A folder has a slash: ./{name}"
        )
    if registered.get("shipped") and not folder.is_dir():
        folder = SHIPPED_MODELS / name
    return _checked_description(folder, {"name": name, **registered}, REGISTRY_FILE)


def read_description(folder: Path, name: str | None = None) -> ModelDescription:
    """Return the description in a folder's `model.json`; raises ValueError as `load_description` does."""
    path = folder / DESCRIPTION_FILE
    if not path.is_file():
        raise ValueError(f"{path} does not exist: the folder of a model has {', '.join(MODEL_FILES)} and model.json")
    try:
        fields = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    description = _checked_description(folder, fields, path)
    if name is not None and description.name != name:
        raise ValueError(f"{path} describes {description.name!r}, not {name!r}")
    return description


@cache
def registry() -> Mapping[str, Mapping[str, Any]]:
    """Return the models of `models.toml`, by name."""
    with REGISTRY_FILE.open("rb") as stream:
        return tomllib.load(stream)


def _checked_description(folder: Path, fields: Mapping[str, Any], source: Path) -> ModelDescription:
    """Parse a description; raises ValueError naming its source if it is incomplete or a value is not allowed."""
    missing = [key for key in REQUIRED_KEYS if not _has(fields, key)]
    if missing:
        raise ValueError(f"{source} lacks {', '.join(map(repr, missing))}; docs/embedder.md describes each key")
    try:
        description = _parse(folder, fields)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{source} is not a model's description: {error!r}") from error
    if not MODEL_NAME.fullmatch(description.name):
        raise ValueError(f"{source}: name is {description.name!r}, and may have a-z, 0-9, '.', '_' and '-'")
    for key, value, allowed in (
        ("image.resize", description.image.resize, RESIZE_METHODS),
        ("image.resample", description.image.resample, RESAMPLE_METHODS),
        ("text.clean", description.text_cleaning, TEXT_CLEANINGS),
        ("text.pad.to", description.padding, PADDINGS),
    ):
        if value not in allowed:
            raise ValueError(f"{source}: {key} is {value!r}, and may be {', '.join(allowed)}")
    for file in description.files:
        if Path(file.name).name != file.name or not (PACKAGE / (file.shipped or "")).resolve().is_relative_to(PACKAGE):
            raise ValueError(f"{source} names a file outside its folder")
        if file.url is not None and file.size is None and file.max_size is None:
            raise ValueError(f"{source}: {file.name} has neither a size nor a max_size")
    return description


def _has(fields: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(fields, Mapping) or key not in fields:
            return False
        fields = fields[key]
    return True


def _parse(folder: Path, fields: Mapping[str, Any]) -> ModelDescription:
    image, text = fields["image"], fields["text"]
    red, green, blue = image["mean"]
    red_std, green_std, blue_std = image["std"]
    return ModelDescription(
        folder=folder,
        name=str(fields["name"]),
        revision=str(fields["revision"]),
        description=fields.get("description", ""),
        dimension=int(fields["dimension"]),
        image=PreprocessingConfig(
            size=int(image["size"]),
            resize=image["resize"],
            resample=image["resample"],
            mean=(red, green, blue),
            std=(red_std, green_std, blue_std),
            full_decode=bool(image.get("full_decode", False)),
        ),
        context_length=int(text["context_length"]),
        text_cleaning=text.get("clean", "none"),
        pad_id=int(text["pad"]["id"]),
        padding=text["pad"]["to"],
        licence=fields["licence"],
        files=tuple(ModelFile(name, **file) for name, file in fields.get("files", _UNPINNED_FILES).items()),
    )
