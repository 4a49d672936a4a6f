"""What a person does on the emulator's sign-in pages, by the forms that they have and without a browser."""

from html.parser import HTMLParser
from urllib.parse import urljoin

from infra.localhost import direct_session

PAGES_MAX = 4  # the address, the password, and a new password where the first one was given
SECONDS = 30


class SignInPagesError(RuntimeError):
    """The pages did not sign the person in; the message has their words. ``make accept`` prints it."""


class _Form(HTMLParser):
    """The one form of a page: where it is sent, and its fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._words: list[str] = []
        self._is_error = False
        self.feed(page)

    @property
    def error(self) -> str:
        return " ".join(self._words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._is_error = given.get("class") == "error"
        if tag == "form":
            self.action = given.get("action") or ""
        elif tag == "input" and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._is_error and data.strip():
            self._words.append(data.strip())


def sign_in(authorization_url: str, email: str, password: str) -> str:
    """Sign in; returns the URL that the pages lead the browser to, which is not opened.

    Raises:
        SignInPagesError: the pages refused the person, or are no sign-in pages.
    """
    known = {"username": email, "password": password}
    with direct_session() as session:
        answer = session.get(authorization_url, timeout=SECONDS, allow_redirects=False)
        for _ in range(PAGES_MAX):
            if answer.is_redirect:
                return answer.headers["Location"]
            form = _Form(answer.text)
            if form.error or not form.action:
                raise SignInPagesError(
                    f"The sign-in pages answer {answer.status_code}: {form.error or answer.text[:200]}"
                )
            fields = form.fields | {name: value for name, value in known.items() if name in form.fields}
            answer = session.post(urljoin(answer.url, form.action), data=fields, timeout=SECONDS, allow_redirects=False)
    raise SignInPagesError("The sign-in pages asked for more than an address and a password.")
