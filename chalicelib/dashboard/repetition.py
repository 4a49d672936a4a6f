"""Forms that make a secret, which a reload or a second click sends again: a form makes it once.

A page gives each such form a value of its own (``once_field()`` of the templates). What the form has made is kept for a
day, as an answer with an idempotency key is; its secret is masked under that of the session, so that the table has
neither in clear (docs/decisions/0068-powertools-keeps-the-answers-of-idempotency-keys.md).
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from chalicelib.api.idempotency import given_answer, kept_answer
from chalicelib.dashboard.pages import CSRF_FIELD, PageRequest
from chalicelib.domain.errors import Conflict, IdempotencyKeyInUse
from chalicelib.domain.idempotency import KeyedRequest

FIELD = "once"
VALUE_BYTES = 16


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """What a form has made: its identifier, and its secret."""

    id: str
    secret: str = field(repr=False)


def new_value() -> str:
    """A value for one form of one page."""
    return secrets.token_urlsafe(VALUE_BYTES)


def made_once(request: PageRequest, make: Callable[[], MadeSecret]) -> MadeSecret:
    """What the form makes, or what it has made when this session sent it before.

    With other fields it is another form. A form without a value makes something each time: none of our pages has one.

    Raises:
        Conflict: the same form is being worked on. The errors of ``make`` rise, too.
    """
    if not request.form.text(FIELD):
        return make()
    bearer = request.session.key.secret
    first: MadeSecret | None = None

    def respond() -> str:
        nonlocal first
        first = make()
        return kept_answer({"result": {"id": first.id, "secret": first.secret}}, "secret", bearer)

    answers, milliseconds = request.services.adapters.idempotent_answers, request.milliseconds_left
    try:
        text, _ = answers.answer(_keyed(request), milliseconds, respond)
    except IdempotencyKeyInUse as error:
        raise Conflict("This form was sent a moment ago and is being worked on. Load this page again.") from error
    return first or MadeSecret(**given_answer(text, bearer)["result"])


def _keyed(request: PageRequest) -> KeyedRequest:
    fields = sorted(pair for pair in request.form.pairs if pair[0] != CSRF_FIELD)
    digest = sha256(json.dumps([sorted(request.path.items()), fields]).encode()).hexdigest()
    key = f"{request.session.session.id} {request.method} {request.request.path} {digest}"
    return KeyedRequest(request.account.uuid, key, digest)
