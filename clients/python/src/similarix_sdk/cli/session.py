"""What commands work with: a client of the API, the credentials, and the outside world, each of which can be passed."""

import os
import time
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import typer

from similarix_sdk.cli.credentials import CredentialError, CredentialFile, Credentials
from similarix_sdk.cli.output import Output
from similarix_sdk.client import TOKEN_VARIABLE, URL_VARIABLE, AsyncClient, Client

# Yields the files that were added to a folder, or changed in it, until it is interrupted; now and then an empty set.
Watch = Callable[[Path], Iterator[set[Path]]]


def _credential_file() -> CredentialFile:
    return CredentialFile(Path(typer.get_app_dir("similarix")) / "credentials.json")


def _watch(folder: Path) -> Iterator[set[Path]]:
    from watchfiles import Change, watch  # noqa: PLC0415  # only this command needs it

    # The first set may be empty: it says that the folder is watched, so that no later change is lost.
    for changes in watch(folder, raise_interrupt=True, yield_on_timeout=True, rust_timeout=500):
        yield {Path(name) for change, name in changes if change is not Change.deleted}


class Aws(Protocol):
    """What is used of a session of boto3."""

    def client(self, service: str) -> Any: ...


def boto3_session(profile: str | None, region: str | None) -> Aws:
    """AWS with the caller's own credentials: the variables, the profile, or what else boto3 finds."""
    try:
        import boto3  # noqa: PLC0415  # an extra, which one command needs
    except ImportError as error:
        raise ValueError("This needs boto3: pip install 'similarix-sdk[aws]', or give --region and --role.") from error
    session: Any = boto3.Session(profile_name=profile, region_name=region or "us-east-1")
    return session  # type: ignore[no-any-return]


def _connect(credentials: Credentials) -> Client:
    return Client(credentials.token, credentials.url)


@dataclass
class Session:
    """``url`` is that of the option ``--url``, which goes before the variable and the file."""

    output: Output = field(default_factory=Output.standard)
    file: CredentialFile = field(default_factory=_credential_file)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    connect: Callable[[Credentials], Client] = _connect
    watch: Watch = _watch
    browse: Callable[[str], Any] = webbrowser.open
    sleep: Callable[[float], None] = time.sleep
    aws: Callable[[str | None, str | None], Aws] = boto3_session
    url: str | None = None

    def client(self) -> Client:
        """Raises CredentialError where nobody has signed in."""
        return self.connect(self.credentials())

    def asynchronous_client(self) -> AsyncClient:
        """Raises CredentialError where nobody has signed in."""
        credentials = self.credentials()
        return AsyncClient(credentials.token, credentials.url)

    def credentials(self) -> Credentials:
        saved = self.file.load()
        token = self.environ.get(TOKEN_VARIABLE) or (saved.token if saved else None)
        url = self.url or self.environ.get(URL_VARIABLE) or (saved.url if saved else None)
        if not token or not url:
            raise CredentialError(f"Sign in first: similarix login. Or set {URL_VARIABLE} and {TOKEN_VARIABLE}.")
        if saved and token == saved.token and url.rstrip("/") != saved.url.rstrip("/"):
            raise CredentialError(f"The saved token is for {saved.url}: sign in to {url}, or set {TOKEN_VARIABLE}.")
        return Credentials(url, token)


def session_of(context: typer.Context) -> Session:
    session: Session = context.obj
    return session
