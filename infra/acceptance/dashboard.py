"""What a user does in the dashboard: signs in by the forms of the sign-in pages, sees the search, and signs out."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

import requests

from infra.localhost import direct_session
from infra.sign_in_pages import sign_in

SECONDS = 60


class _Page(HTMLParser):
    """The values of the inputs of a page, by name, and whether it has a field to search by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inputs: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("input", "textarea") and given.get("name"):
            self.inputs[str(given["name"])] = given.get("value") or ""


class Visitor:
    """A user of the local system's dashboard, in a browser without scripts.

    Args:
        url: of the dashboard.
    """

    def __init__(self, url: str, email: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._email, self._password = email, password
        self._session: requests.Session = direct_session()
        self._csrf = ""

    def sign_in(self) -> None:
        """Raises RuntimeError: the pages did not lead to the search."""
        door = self._get(self._get("/").headers.get("Location", ""))
        if "/sign-in/start" not in door.text:
            raise RuntimeError(f"who has not signed in got {door.status_code} instead of the way to sign in")
        begun = self._get("/sign-in/start")
        returned = self._get(sign_in(begun.headers.get("Location", ""), self._email, self._password))
        search = self._get(returned.headers.get("Location", ""))
        inputs = _Page(search.text).inputs
        if search.status_code != 200 or "csrf" not in inputs:
            raise RuntimeError(f"the sign-in led to {returned.status_code} and {search.status_code}")
        self._csrf = inputs["csrf"]

    def sign_out(self) -> None:
        """Raises RuntimeError: the session did not end."""
        parts = urlsplit(self._url)
        answer = self._session.post(
            f"{self._url}/sign-out",
            data={"csrf": self._csrf},
            headers={"Origin": f"{parts.scheme}://{parts.netloc}"},
            timeout=SECONDS,
            allow_redirects=False,
        )
        if not answer.ok or self._get("/").status_code != 303:
            raise RuntimeError(f"signing out got {answer.status_code}, and the session went on")

    def _get(self, place: str) -> requests.Response:
        """The answer of a path of the dashboard, or of a place that one named, without redirects."""
        parts = urlsplit(self._url)
        if place.startswith(parts.path) and parts.path:
            place = f"{parts.scheme}://{parts.netloc}{place}"
        url = place if place.startswith("http") else self._url + place
        return self._session.get(url, timeout=SECONDS, allow_redirects=False)
