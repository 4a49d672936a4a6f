"""What protects pages: their headers, the session's cookie, and the check of where a change comes from."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit

from chalice.app import Request

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.sessions import SESSION_LIFETIME, SessionKey

SAFE_METHODS = ("GET", "HEAD")
# What a page may load, and from where: nothing that is not named here. 'data:' is for pictures that the browser makes.
_POLICY = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:", "blob:"),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "frame-ancestors": ("'none'",),
    "base-uri": ("'none'",),
}
KEPT_NOWHERE = "no-store"  # of Cache-Control
# With 'no-referrer' a browser would send 'Origin: null' with a form: https://fetch.spec.whatwg.org/#origin-header
PAGE_HEADERS = {
    "Cache-Control": KEPT_NOWHERE,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "Vary": "HX-Request, Cookie",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PATH_SIGNS = "/?&=%:,+~-._!$'()*;@"  # that a path with a query has as they are


def content_policy(origins: Mapping[str, Sequence[str]]) -> str:
    """The Content-Security-Policy of a page that also reaches these origins, by directive."""
    return "; ".join(
        " ".join((directive, *sources, *origins.get(directive, ()))) for directive, sources in _POLICY.items()
    )


def local_path(path: object) -> str:
    """The path if a redirect to it stays on this site, else ``/``.

    A browser takes ``//host``, ``/\\host`` and paths with control characters for addresses of other sites:
    https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    if any(character < " " or character in "\\\x7f" for character in path):
        return "/"
    return path


def header_path(path: str) -> str:
    """The path as a header has it: no character can end the header or begin another one."""
    head, mark, fragment = path.partition("#")
    return quote(head, safe=_PATH_SIGNS) + (mark + quote(fragment, safe="-._") if mark else "")


def cookie_name(name: str, base_url: str) -> str:
    """The name of one of our cookies.

    The prefix makes a browser refuse it from other hosts, and without Secure; by HTTP, which only the local system
    speaks, it would refuse it altogether: https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html
    """
    return f"__Host-{name}" if base_url.startswith("https:") else name


def set_cookie(name: str, value: str, base_url: str, seconds: int) -> str:
    """A Set-Cookie header; 0 seconds remove the cookie."""
    secure = "; Secure" if base_url.startswith("https:") else ""
    return f"{cookie_name(name, base_url)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def session_cookie(key: SessionKey, base_url: str) -> str:
    """The Set-Cookie header that begins or prolongs a session."""
    return set_cookie("session", key.cookie, base_url, int(SESSION_LIFETIME.total_seconds()))


def cookies(header: str | None) -> dict[str, str]:
    """The values of a Cookie header by name. Of several with a name the first one counts, as the more specific one."""
    found: dict[str, str] = {}
    for pair in (header or "").split(";"):
        name, mark, value = pair.strip().partition("=")
        if mark:
            found.setdefault(name, value.strip('"'))
    return found


def check_same_site(request: Request, base_url: str) -> None:
    """Check that a page of this site sends the request.

    Browsers say so in ``Sec-Fetch-Site`` and ``Origin``; a client that sends neither has no cookie of anybody else:
    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html

    Raises:
        Forbidden: another site does.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site != "same-origin":
        raise Forbidden("Another site sent this request, so nothing was changed. Open the page here and try again.")
    if origin is not None and origin not in _own_origins(request, base_url):
        raise Forbidden("Another site sent this request, so nothing was changed. Open the page here and try again.")


def _own_origins(request: Request, base_url: str) -> tuple[str, ...]:
    parts = urlsplit(base_url)
    host = request.context.get("domainName") or request.headers.get("host", "")
    return f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{host}"
