"""Sessions of the dashboard in memory."""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.domain.sessions import Session


class FakeSessions:
    """Tests may inspect ``stored`` sessions by user and digest, and the number of ``writes``."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Session] = {}
        self.writes = 0

    def add(self, session: Session) -> None:
        self.writes += 1
        self.stored[session.user, session.digest] = session

    def of_user(self, user: str) -> list[Session]:
        return [session for session in self.stored.values() if session.user == user]

    def touch(self, session: Session) -> None:
        self._change(session, last_used=session.last_used)

    def switch(self, session: Session, account: str) -> None:
        self._change(session, account=account)

    def remove(self, user: str, digests: Sequence[str]) -> None:
        for digest in digests:
            self.stored.pop((user, digest), None)

    def _change(self, session: Session, **changes: object) -> None:
        self.writes += 1
        current = self.stored.get((session.user, session.digest))
        if current is not None:
            self.stored[session.user, session.digest] = replace(current, **changes)  # type: ignore[arg-type]
