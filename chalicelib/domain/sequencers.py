"""Sequencers: the order of a key's S3 events."""

from chalicelib.domain.files import FileRecord

SEQUENCER_WIDTH = 64  # hexadecimal digits; S3 sends 16 to 18, of varying length


def is_stale_event(record: FileRecord | None, sequencer: str | None) -> bool:
    """Whether an S3 event is no later than one that has been handled.

    Sequencers of one key compare as strings once the shorter is padded on the right with zeros:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    if record is None or record.sequencer is None or sequencer is None:
        return False
    return _padded(sequencer) <= _padded(record.sequencer)


def latest_sequencer(first: str | None, second: str | None) -> str | None:
    """The later of two sequencers."""
    return max((s for s in (first, second) if s is not None), key=_padded, default=None)


def _padded(sequencer: str) -> str:
    return sequencer.upper().ljust(SEQUENCER_WIDTH, "0")
