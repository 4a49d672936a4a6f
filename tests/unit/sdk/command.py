"""The command ``similarix`` in the process of its test, on the API's fakes."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from similarix_sdk.cli.app import execute
from similarix_sdk.cli.credentials import CredentialFile, Credentials
from similarix_sdk.cli.output import Output
from similarix_sdk.cli.session import Session
from tests.fakes.http_api import BASE_URL, HttpApi
from tests.unit.sdk.conftest import blocking_client


class Command:
    """Runs the command; keeps what it has opened in the browser, and how long it has waited."""

    def __init__(self, http_api: HttpApi, folder: Path) -> None:
        self.http_api = http_api
        self.file = CredentialFile(folder / "config" / "credentials.json")
        self.file.save(Credentials(BASE_URL, http_api.token))
        self.opened: list[str] = []
        self.pauses: list[float] = []
        self.changes: list[set[Path]] = []
        self.aws: dict[str, Any] = {}
        self.tokens: list[str] = []
        self.out = self.err = ""

    def __call__(
        self, *arguments: object, pretty: bool = False, environ: dict[str, str] | None = None, width: int = 200
    ) -> int:
        """Its exit code; ``out`` and ``err`` are what it has printed. ``pretty`` is a terminal of so many columns."""
        out, err = io.StringIO(), io.StringIO()
        session = Session(
            output=Output(out, err, pretty, width=width),
            file=self.file,
            environ=environ or {},
            connect=self._connect,
            watch=self._watch,
            browse=self.opened.append,
            sleep=self.pauses.append,
            aws=lambda profile, region: self,
        )
        code = execute([str(argument) for argument in arguments], session)
        self.out, self.err = out.getvalue(), err.getvalue()
        return code

    def lines(self, *arguments: object) -> list[list[str]]:
        """The cells of each line that a command has printed, which must be done."""
        assert self(*arguments) == 0, self.err
        return [line.split("\t") for line in self.out.splitlines()]

    def client(self, service: str) -> Any:
        """What a session of AWS gives."""
        return self.aws[service]

    def _connect(self, credentials: Credentials) -> Any:
        self.tokens.append(credentials.token)
        return blocking_client(self.http_api, self.pauses, token=credentials.token)

    def _watch(self, folder: Path) -> Iterator[set[Path]]:
        yield set()
        yield from self.changes
        raise KeyboardInterrupt


def words(lines: Sequence[Sequence[str]], column: int) -> list[str]:
    return [line[column] for line in lines]
