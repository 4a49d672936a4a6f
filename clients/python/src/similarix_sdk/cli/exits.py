"""What the command's exit codes mean, and which error has which."""

from enum import IntEnum

from similarix_sdk.errors import ConnectionFailed, Forbidden, NotFound, RateLimited, Unavailable


class Exit(IntEnum):
    """Scripts may rely on these numbers; docs/command-line.md lists them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    FORBIDDEN = 3
    NOT_FOUND = 4
    TRY_LATER = 5
    INCOMPLETE = 6
    INTERRUPTED = 130


class NoSuchCollection(Exception):
    """The account has no collection of a name."""


def sentence(error: Exception) -> str:
    """What the error says, in the words of someone who has no headers."""
    if isinstance(error, Forbidden) and "Authorization" in error.message:
        return "The API does not know this token. Sign in with another one: similarix login."
    return str(error)


def exit_of(error: Exception) -> Exit:
    """The exit code of an error that ends the command."""
    if isinstance(error, Forbidden):
        return Exit.FORBIDDEN
    if isinstance(error, NotFound | NoSuchCollection):
        return Exit.NOT_FOUND
    if isinstance(error, ConnectionFailed | RateLimited | Unavailable):
        return Exit.TRY_LATER
    return Exit.FAILED
