"""The answers to requests with an idempotency key, in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.idempotency import ANSWER_LIMIT, ANSWERS_KEPT, KeyedRequest, key_in_use, key_reused
from chalicelib.services.ports import Clock


@dataclass
class _Kept:
    payload: str
    until: datetime
    answer: str | None = None


class FakeIdempotentAnswers:
    """Tests may inspect what is ``kept``, by account and key."""

    def __init__(self, now: Clock) -> None:
        self.kept: dict[tuple[str, str], _Kept] = {}
        self._now = now

    def answer(self, request: KeyedRequest, milliseconds_left: int, respond: Callable[[], str]) -> tuple[str, bool]:
        place, now = (request.account, request.key), self._now()
        kept = self.kept.get(place)
        if kept is not None and kept.until > now:
            if kept.payload != request.payload:
                raise key_reused()
            if kept.answer is None:
                raise key_in_use()
            return kept.answer, True
        self.kept[place] = _Kept(request.payload, now + timedelta(milliseconds=milliseconds_left))
        try:
            answer = respond()
        except Exception:
            del self.kept[place]
            raise
        if len(answer.encode()) > ANSWER_LIMIT:
            raise Unavailable("The answer is too large to be kept.")
        self.kept[place] = _Kept(request.payload, self._now() + ANSWERS_KEPT, answer)
        return answer, False
