"""The pages of errors: what happened, by status; the message of the error says what to do."""

TEXTS = {
    "title_400": "We did not understand this",
    "title_403": "You may not do this",
    "title_404": "There is nothing here",
    "title_405": "This page does not do that",
    "title_409": "Something has changed meanwhile",
    "title_413": "This is too large",
    "title_415": "We cannot read this kind of file",
    "title_429": "Too many requests at once",
    "title_500": "Something went wrong on our side",
    "title_503": "Similarix does not answer right now",
    "safe": "Your pictures are safe, and nothing was changed.",
    "again_before": "It usually comes back within a minute; this page tries again in",
    "again_after": "seconds.",
    "try_again": "Try again now",
    "to_search": "Go to search",
    "to_collections": "Go to collections",
    "number": "If it stays, send us this number:",
    "copy_number": "Copy",
}
