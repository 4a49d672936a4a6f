"""A batch of objects that ends the embedder: it is halved until the object that does it is alone.

A codec runs in a process of its own and a decode has a limit, so this is for what neither foresees: an object that
uses up the function's memory, or that stops its process or its clock.
"""

import base64
from collections.abc import Callable, Sequence
from time import monotonic

from chalicelib.domain.embeddings import TOO_COSTLY, ImageEmbedding, ObjectToEmbed, ReadFailure
from chalicelib.domain.errors import EmbedderEnded, EmbedderUnavailable
from chalicelib.services.ports import Embedder

# After the embedder has been ended, its objects are asked for again as long as this. A process that crashes does so
# within seconds; a time-out takes as long as the function has (infra/workers.py), and this worker has only 60 s more.
HALVING_SECONDS = 60.0
ENDS_THE_EMBEDDER = ReadFailure(
    TOO_COSTLY, "the picture ends the function that embeds it, by its time, its memory or a crash", transient=False
)
NOT_EMBEDDED = ReadFailure(
    "internal", "the embedder was ended while it embedded this object and others", transient=True
)
# A PNG of one pixel, which every embedder that works can embed.
PICTURE = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)

Result = ImageEmbedding | ReadFailure


def embed_batch(
    embedder: Embedder,
    objects: Sequence[ObjectToEmbed],
    *,
    singly: bool = False,
    clock: Callable[[], float] = monotonic,
) -> list[Result]:
    """The result of each object, in order.

    An object that alone ends the embedder has failed for good, if the embedder then still embeds another picture.
    Objects for which no time is left have failed transiently.

    Args:
        singly: ask for one object at a time from the beginning.

    Raises:
        EmbedderUnavailable: the embedder did not answer, or it is ended whatever it embeds.
    """
    deadline: float | None = None

    def embed(part: Sequence[ObjectToEmbed]) -> list[Result]:
        nonlocal deadline
        if deadline is not None and clock() > deadline:
            return [NOT_EMBEDDED] * len(part)
        started_at = clock()
        try:
            return embedder.embed_objects(part)
        except EmbedderEnded:
            if deadline is None:
                deadline = started_at + HALVING_SECONDS
        if len(part) > 1:
            middle = len(part) // 2
            return [*embed(part[:middle]), *embed(part[middle:])]
        if isinstance(embedder.embed_image(PICTURE), ReadFailure):
            raise EmbedderUnavailable("The model failed. Try again in a moment.")
        return [ENDS_THE_EMBEDDER]

    if singly:
        return [result for item in objects for result in embed([item])]
    return embed(objects)
