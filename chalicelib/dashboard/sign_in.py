"""Signing in and out: the way to the identity provider's pages and back.

https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html: each sign-in begins a new session
and ends the one that the browser had, so that nobody waits in a session that they have given to another.
"""

from urllib.parse import urlencode

from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.security import local_path, session_cookie, set_cookie
from chalicelib.dashboard.toasts import joined_toast
from chalicelib.domain.errors import Forbidden, NotFound, SignInFailed, SimilarixError, Unavailable
from chalicelib.domain.sign_in import ATTEMPT_LIFETIME, SignInAttempt
from chalicelib.domain.users import SignUp
from chalicelib.services.sign_in import SignInAnswer

CALLBACK, SIGNED_OUT = "/sign-in/callback", "/sign-out"
COOKIE = "sign-in"  # keeps the attempt


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/sign-in", public=True)
    def show_sign_in(request: PageRequest) -> Page | Redirect:
        next_path = _next(request)
        return Redirect(next_path) if request.signed_in is not None else _door(request, next_path)

    @page("/sign-in/start", public=True)
    def start_sign_in(request: PageRequest) -> Redirect:
        attempt, url = request.services.sign_in.begin(_next(request), request.base_url + CALLBACK)
        seconds = int(ATTEMPT_LIFETIME.total_seconds())
        return Redirect(url=url, cookies=[set_cookie(COOKIE, attempt.cookie, request.base_url, seconds)])

    @page(CALLBACK, public=True)
    def complete_sign_in(request: PageRequest) -> Page | Redirect:
        attempt = SignInAttempt.from_cookie(request.cookie(COOKIE))
        answer = SignInAnswer(
            state=request.query.get("state"),
            code=request.query.get("code"),
            error=request.query.get("error"),
            address=request.address,
            agent=request.request.headers.get("user-agent", ""),
        )
        forget = set_cookie(COOKIE, "", request.base_url, 0)
        next_path = attempt.next if attempt is not None else "/"
        try:
            completed = request.services.sign_in.complete(attempt, answer, request.base_url + CALLBACK)
        except (SignInFailed, Forbidden) as error:
            return _door(request, next_path, error, {"Set-Cookie": forget})
        if request.signed_in is not None:
            request.services.sessions.end(request.signed_in.key)
        toast = joined_toast(completed.joined) if completed.joined else None
        return Redirect(next_path, toast, cookies=[session_cookie(completed.key, request.base_url), forget])

    @page(SIGNED_OUT, public=True)
    def show_signed_out(request: PageRequest) -> Page | Redirect:
        return Redirect() if request.signed_in is not None else _door(request, "/", toast="sign_in.signed_out")

    @page("/sign-out", methods=("POST",), public=True)
    def sign_out(request: PageRequest) -> Page | Redirect:
        if request.signed_in is not None:
            request.services.sessions.end(request.signed_in.key)
        forget = [set_cookie(name, "", request.base_url, 0) for name in ("session", COOKIE)]
        try:
            url = request.services.adapters.identity_provider.sign_out_url(request.base_url + SIGNED_OUT)
        except (NotFound, Unavailable):
            return Redirect(SIGNED_OUT, cookies=forget)
        if request.is_fragment:
            return Redirect(url=url, cookies=forget)
        # A page, because the form's policy lets no redirect lead to another site.
        return Page("signing_out.html", {"target": url}, headers={"Set-Cookie": forget})


def _next(request: PageRequest) -> str:
    """The path of this site to go on to."""
    return local_path(request.query.get("next"))


def _door(
    request: PageRequest,
    next_path: str,
    error: SimilarixError | None = None,
    headers: dict[str, str] | None = None,
    toast: str | None = None,
) -> Page:
    data = {
        "signs_up": request.services.config.sign_up is SignUp.OPEN,
        "start": f"/sign-in/start?{urlencode({'next': next_path})}",
        "message": error.message if error is not None else None,
        # Who may not sign in is signed in at the provider still, and would come back as the same user.
        "may_change_user": isinstance(error, Forbidden),
        "pictures": PICTURES,
    }
    return Page("sign_in.html", data, error.status if error is not None else 200, headers or {}, toast=toast)


# Names of static files, with their width and height.
PICTURES = (
    ("lemur", 640, 427),
    ("red-panda", 640, 360),
    ("owl", 640, 427),
    ("koala", 480, 640),
    ("kangaroo", 640, 480),
    ("jaguars", 640, 427),
    ("giant-panda", 640, 426),
    ("hedgehog", 640, 457),
)
