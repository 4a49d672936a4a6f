"""The errors of the OpenSearch wing, which no other module handles.

    CircuitOpen        no request was made: OpenSearch failed several times in a row, and is left alone for a while
    ServerBusy         OpenSearch did not answer, or answered that it cannot now
    RequestRejected    OpenSearch rejected a request
    DocumentsRejected  OpenSearch will never accept some documents; a ValueError, like every invalid document

They stand apart from the tree of ``chalicelib.domain.errors`` because the first three never leave the wing: the client
turns the first two into ``StoreUnavailable`` when its attempts are used up, and the code that sends a request which
OpenSearch may reject handles the third. A rejection that no code expects is a defect and rises like one, and so does
``DocumentsRejected``.
"""


class CircuitOpen(Exception):
    """The circuit breaker does not allow the call: the last calls failed, and the pause after them is not over."""


class ServerBusy(Exception):
    """OpenSearch did not answer, or answered that it cannot now."""


class RequestRejected(Exception):
    """OpenSearch rejected a request; ``kind`` and ``reason`` are its words."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(f"{status} {kind}: {reason}")
        self.status = status
        self.kind = kind
        self.reason = reason


class DocumentsRejected(ValueError):
    """OpenSearch will never accept these documents; the others of their batch were written."""
