"""Runs a model: text to vector, tensor to vector. A vector is float32 [D] of length 1."""

import threading
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedder_container.models import ModelDescription
from embedder_container.texts import clean

Vector = NDArray[np.float32]

# `optimise` writes this file beside a graph; it is loaded in the graph's place.
OPTIMISED_SUFFIX = ".optimised.onnx"

# The output of each encoder that is read, of graphs that have several.
EMBEDDINGS = {"vision": "image_embeds", "text": "text_embeds"}

# A run streams the weights through the processor's caches once for all its images: eight images of CLIP ViT-B/32 take
# a tenth less time together than alone, sixteen no less than eight (docs/embedder.md).
MAX_BATCH_SIZE = 8

ERRORS_ONLY = 3  # of ONNX Runtime's log severities


class Session(Protocol):
    """The part of an ONNX Runtime session that is used here."""

    def run(self, output_names: list[str], input_feed: dict[str, NDArray[Any]], /) -> list[Any]: ...

    def get_inputs(self) -> list[Any]: ...

    def get_outputs(self) -> list[Any]: ...


class Model:
    """A model ready to run. Each encoder loads at its first use: a text query never loads the vision graph.

    A text runs on `threads` processors, because texts are not embedded in parallel. An image runs on the thread that
    calls, and several threads may call at a time: a session's runs share its weights.
    """

    def __init__(self, description: ModelDescription, threads: int) -> None:
        self.description = description
        self._threads = threads
        # Two requests may arrive for an encoder that neither has loaded.
        self._load_lock = threading.Lock()
        self._vision: Session | None = None
        self._text: Session | None = None
        self._tokenizer: Any = None

    @property
    def memory_bytes(self) -> int:
        """About how much memory both encoders take: a fifth more than their files (docs/embedder.md)."""
        size = 0
        for encoder in ("vision", "text"):
            optimised = list(self.description.folder.glob(f"{encoder}{OPTIMISED_SUFFIX}*"))
            files = optimised or [self.description.path(f"{encoder}.onnx")]
            size += sum(file.stat().st_size for file in files if file.exists())
        return size * 6 // 5

    def load_vision(self) -> Session:
        """Return the vision session, loaded once (0.1 s for `lite`)."""
        with self._load_lock:
            if self._vision is None:
                self._vision = self._load_session("vision", threads=1)
            return self._vision

    def load_text(self) -> tuple[Session, Any]:
        """Return the text session and the tokenizer, loaded once."""
        with self._load_lock:
            if self._text is None:
                self._tokenizer = self._load_tokenizer()
                self._text = self._load_session("text", threads=self._threads)
            return self._text, self._tokenizer

    def token_ids(self, text: str) -> list[int]:
        """Return the token ids of a text, truncated to the context length; the end token stays."""
        ids: list[int] = self.load_text()[1].encode(clean(text, self.description.text_cleaning)).ids
        return ids

    def reads(self, text: str) -> bool:
        """Whether anything of a text is known to the model: all others have one vector, which means nothing."""
        _, tokenizer = self.load_text()
        encoding = tokenizer.encode(clean(text, self.description.text_cleaning))
        unknown = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "")
        tokens = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        return any(not is_special and token != unknown for token, is_special in tokens)

    def embed_text(self, text: str) -> Vector:
        """Return the unit vector [D] of one text."""
        session, tokenizer = self.load_text()
        encoding = tokenizer.encode(clean(text, self.description.text_cleaning))
        feed = {}
        for node in session.get_inputs():
            values = encoding.attention_mask if "mask" in node.name else encoding.ids
            feed[node.name] = np.array([values], dtype=np.int32 if "int32" in node.type else np.int64)
        return self.unit(session.run([_output_name(session, EMBEDDINGS["text"])], feed)[0][0])

    def embed_pixels(self, pixels: NDArray[np.float32]) -> Vector:
        """Return the unit vector [D] of one image's tensor [1, 3, S, S]."""
        return self.unit(self.run_vision(pixels)[0])

    @cached_property
    def max_batch_size(self) -> int:
        """How many images a run takes at most: MAX_BATCH_SIZE, or the fixed size that the graph was exported with."""
        (node,) = self.load_vision().get_inputs()
        return node.shape[0] if isinstance(node.shape[0], int) else MAX_BATCH_SIZE

    def run_vision(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the graph's outputs [N, D] for the pixels [N, 3, S, S] of N images, at most `max_batch_size`."""
        session = self.load_vision()
        (node,) = session.get_inputs()
        name = _output_name(session, EMBEDDINGS["vision"])
        outputs: NDArray[np.float32] = session.run([name], {node.name: pixels})[0]
        return outputs

    def unit(self, output: NDArray[np.float32]) -> Vector:
        """Return an output of the graph [D] as a unit vector; raises ArithmeticError if it has no direction."""
        vector = output.astype(np.float64)
        norm = float(np.linalg.norm(vector))
        if vector.shape != (self.description.dimension,) or not np.isfinite(norm) or norm == 0.0:
            raise ArithmeticError(f"the model gave no direction: shape {vector.shape}, norm {norm}")
        unit: Vector = (vector / norm).astype(np.float32)
        return unit

    def _load_session(self, encoder: str, threads: int) -> Session:
        import onnxruntime  # noqa: PLC0415 - heavy, and `describe` does not need it

        onnxruntime.set_default_logger_severity(ERRORS_ONLY)  # its warnings about devices are useless in a Lambda
        options = onnxruntime.SessionOptions()
        # Set explicitly, ONNX Runtime does not pin its threads to cores, which a Lambda forbids.
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait for their part of a run save a text a tenth of its time. After the run they
        # must stop spinning, because the next step needs the processors.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        optimised = self.description.folder / f"{encoder}{OPTIMISED_SUFFIX}"
        path = optimised if optimised.exists() else self._existing_path(f"{encoder}.onnx")
        session: Session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return session

    def _load_tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # noqa: PLC0415 - an image needs no tokenizer

        tokenizer = Tokenizer.from_file(str(self._existing_path("tokenizer.json")))
        # A user's `<|endoftext|>` is text: if it became the token, the text would end there.
        tokenizer.encode_special_tokens = True
        tokenizer.enable_truncation(self.description.context_length)
        if self.description.padding == "context_length":
            tokenizer.enable_padding(pad_id=self.description.pad_id, length=self.description.context_length)
        else:
            tokenizer.no_padding()
        return tokenizer

    def _existing_path(self, name: str) -> Path:
        path = self.description.path(name)
        if not path.exists():
            command = f"python -m embedder_container.fetch {self.description.name}"
            raise FileNotFoundError(f"{path} is missing: run `{command}`")
        return path


def _output_name(session: Session, name: str) -> str:
    """Return `name` if the graph has such an output, otherwise its only output."""
    names = [node.name for node in session.get_outputs()]
    if name not in names and len(names) != 1:
        raise ValueError(f"the graph has the outputs {', '.join(names)}, and none is called {name}")
    return name if name in names else names[0]
