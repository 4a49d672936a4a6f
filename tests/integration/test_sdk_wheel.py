"""The wheel of the Python client, installed alone in a fresh virtual environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wheel import ROOT, install_wheel

# What httpx brings: https://www.python-httpx.org/#dependencies
HTTPX = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "sniffio", "typing-extensions"}

SEARCH = """
import httpx, similarix_sdk
answer = {"version": "1", "success": True, "info": {}, "result": {"collections": []}}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
client = similarix_sdk.Client("smx_t", "https://api.example", http=httpx.Client(transport=transport))
assert client.collections.list() == ()
print(similarix_sdk.__file__)
"""

TYPED = """
from similarix_sdk import AsyncClient, Client

def blocking(client: Client) -> None:
    reveal_type(client.search("a"))
    reveal_type(client.files.list("c"))
    for file in client.search_all("a"):
        reveal_type(file.distance)
    client.search(5)

async def asynchronous(client: AsyncClient) -> None:
    reveal_type(await client.search("a"))
    async for file in client.files.list("c"):
        reveal_type(file.path)
    async for outcome in client.uploads.folder("c", "."):
        reveal_type(outcome.path)
    client.files.get("u").path
"""


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(tmp_path_factory.mktemp("wheel"))


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, env={**kept, **environment}, cwd="/", capture_output=True, text=True, check=False)


def test_the_installed_wheel_works_without_the_repository(binaries: Path) -> None:
    done = run(binaries / "python", "-c", SEARCH)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(binaries.parent))


def test_the_wheel_brings_httpx_and_nothing_else(binaries: Path) -> None:
    done = run(sys.executable, "-m", "uv", "pip", "list", "--python", binaries / "python", "--format", "freeze")
    installed = {line.partition("==")[0] for line in done.stdout.splitlines() if "==" in line}
    assert "similarix-sdk" in done.stdout
    assert installed - {"similarix-sdk"} <= HTTPX


def test_a_type_checker_knows_what_the_installed_clients_return(binaries: Path, tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    options = ("--python-executable", binaries / "python", "--cache-dir", tmp_path, "--config-file", os.devnull)
    done = run(sys.executable, "-m", "mypy", *options, tmp_path / "typed.py")
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    page, pages = "similarix_sdk.models.pages.Page", "similarix_sdk.pages.Pages"
    found, listed = "similarix_sdk.models.files.FoundFile", "similarix_sdk.models.files.ListedFile"
    assert [re.sub(r"builtins\.", "", kind) for kind in revealed] == [
        f"{page}[{found}]",
        f"{pages}[{listed}]",
        "float | None",
        f"{page}[{found}]",
        "str",
        "str",
    ], done.stdout
    errors = re.findall(r"error: .*\[([\w-]+)\]", done.stdout)
    assert errors == ["arg-type", "attr-defined"], done.stdout


def test_the_command_says_what_it_lacks(binaries: Path) -> None:
    done = run(binaries / "similarix", "search", "owl")
    assert done.returncode == 1
    assert done.stderr == "The command needs more packages: pip install 'similarix-sdk[cli]'\n"


def test_the_wheel_says_that_it_is_typed_and_has_the_projects_version(binaries: Path) -> None:
    (package,) = binaries.parent.glob("lib/python*/site-packages/similarix_sdk")
    assert (package / "py.typed").exists()
    assert not list(package.parent.glob("tests"))
    (metadata,) = package.parent.glob("similarix_sdk-*.dist-info/METADATA")
    project = (ROOT / "pyproject.toml").read_text().partition('version = "')[2].partition('"')[0]
    assert f"\nVersion: {project}\n" in metadata.read_text()
