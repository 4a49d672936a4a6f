"""Runs a model: text to vector, tensor to vector. A vector is float32 [D] of length 1."""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedder_container.models import ModelDescription
from embedder_container.texts import clean

Vector = NDArray[np.float32]

# What `optimise` writes beside a graph, to be loaded in its place.
OPTIMISED = ".optimised.onnx"

# A run streams the weights through the processor's caches once, whoever shares it: eight pictures of CLIP ViT-B/32 take
# a tenth less time together than alone, sixteen no less than eight (docs/embedder.md).
LARGEST_BATCH = 8


class Session(Protocol):
    """The part of an ONNX Runtime session that is used here."""

    def run(self, output_names: list[str], input_feed: dict[str, NDArray[Any]], /) -> list[Any]: ...

    def get_inputs(self) -> list[Any]: ...

    def get_outputs(self) -> list[Any]: ...


class Model:
    """A model ready to run. Each half loads at its first use: a text query never loads the vision graph.

    A text runs on `threads` processors, since nobody else waits for them. A picture runs on the thread that brings it,
    and several may be brought at a time: a session's runs share its weights.
    """

    def __init__(self, card: ModelDescription, threads: int) -> None:
        self.card = card
        self._threads = threads
        # Two requests may arrive for a half that neither has loaded.
        self._loading = threading.Lock()
        self._vision: Session | None = None
        self._text: Session | None = None
        self._tokenizer: Any = None

    def load_vision(self) -> Session:
        """The vision session, loaded once (0.1 s for `lite`)."""
        with self._loading:
            if self._vision is None:
                self._vision = self._session("vision", threads=1)
            return self._vision

    def load_text(self) -> tuple[Session, Any]:
        """The text session and the tokenizer, loaded once."""
        with self._loading:
            if self._text is None:
                self._tokenizer = self._load_tokenizer()
                self._text = self._session("text", threads=self._threads)
            return self._text, self._tokenizer

    def token_ids(self, text: str) -> list[int]:
        """The ids that the text's graph is fed with; what exceeds the context length goes, the end token stays."""
        ids: list[int] = self.load_text()[1].encode(clean(text, self.card.clean)).ids
        return ids

    def embed_text(self, text: str) -> Vector:
        """The unit vector [D] of one text."""
        session, tokenizer = self.load_text()
        encoding = tokenizer.encode(clean(text, self.card.clean))
        feed = {}
        for node in session.get_inputs():
            values = encoding.attention_mask if "mask" in node.name else encoding.ids
            feed[node.name] = np.array([values], dtype=np.int32 if "int32" in node.type else np.int64)
        return self.unit(session.run([_output(session, "text_embeds")], feed)[0][0])

    def embed_pixels(self, pixels: NDArray[np.float32]) -> Vector:
        """The unit vector [D] of one picture's tensor [1, 3, S, S]."""
        return self.unit(self.run_vision([pixels])[0])

    @cached_property
    def largest_batch(self) -> int:
        """How many pictures a run takes at most: LARGEST_BATCH, or what the graph was exported for."""
        (node,) = self.load_vision().get_inputs()
        return node.shape[0] if isinstance(node.shape[0], int) else LARGEST_BATCH

    def run_vision(self, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """What the graph makes [N, D] of N pictures' tensors [1, 3, S, S], N at most `largest_batch`."""
        session = self.load_vision()
        (node,) = session.get_inputs()
        pixels = tensors[0] if len(tensors) == 1 else np.concatenate(tensors)
        outputs: NDArray[np.float32] = session.run([_output(session, "image_embeds")], {node.name: pixels})[0]
        return outputs

    def unit(self, output: NDArray[np.float32]) -> Vector:
        """An output of the graph [D] as a unit vector; raises ArithmeticError where it has no direction."""
        vector = output.astype(np.float64)
        norm = float(np.linalg.norm(vector))
        if vector.shape != (self.card.dimension,) or not np.isfinite(norm) or norm == 0.0:
            raise ArithmeticError(f"the model gave no direction: shape {vector.shape}, norm {norm}")
        unit: Vector = (vector / norm).astype(np.float32)
        return unit

    def _session(self, half: str, threads: int) -> Session:
        import onnxruntime  # noqa: PLC0415 - heavy, and `describe` needs none of it

        onnxruntime.set_default_logger_severity(3)  # its warnings about the machine's devices help nobody in a Lambda
        options = onnxruntime.SessionOptions()
        # Said explicitly, ONNX Runtime does not pin its threads to cores, which a Lambda forbids.
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait for their part of a run save a text a tenth of its time. Once the run is
        # over they must not: whatever comes next needs the processors.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        optimised = self.card.folder / f"{half}{OPTIMISED}"
        path = optimised if optimised.exists() else self._file(f"{half}.onnx")
        session: Session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return session

    def _load_tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # noqa: PLC0415 - a picture needs no tokenizer

        tokenizer = Tokenizer.from_file(str(self._file("tokenizer.json")))
        # What a user types is text, `<|endoftext|>` too: taken for the token, it would end the text there.
        tokenizer.encode_special_tokens = True
        tokenizer.enable_truncation(self.card.context_length)
        if self.card.pad_to == "context_length":
            tokenizer.enable_padding(pad_id=self.card.pad_id, length=self.card.context_length)
        else:
            tokenizer.no_padding()
        return tokenizer

    def _file(self, name: str) -> Path:
        path = self.card.path(name)
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: run `python -m embedder_container.fetch {self.card.name}`")
        return path


def _output(session: Session, name: str) -> str:
    """The graph's output called `name`, or the only one it has."""
    names = [node.name for node in session.get_outputs()]
    if name not in names and len(names) != 1:
        raise ValueError(f"the graph has the outputs {', '.join(names)}, and none is called {name}")
    return name if name in names else names[0]
