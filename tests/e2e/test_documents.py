"""Every block of commands in the README and the documents runs as it stands, on a local system.

The blocks of a document run in its order, in one shell, with the variables that ``make run`` prints to copy. A call of
curl that the API refuses fails its block. What a ``console`` block shows below a command must be what it prints. A
block that cannot run here says why, in an HTML comment before it: ``<!-- not run: reason -->``.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.emulator import Emulator
from infra.local_system import LocalSystem, export_line
from tests.conftest import ROOT, SAMPLES
from tests.e2e.harness import Caller
from tests.wheel import install_wheel

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = ("sh", "console", "python")
OTHER_LANGUAGES = ("", "json", "mermaid", "toml")
BLOCK = re.compile(
    r"(?P<comment>^ *<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.M | re.S,
)
SECONDS = 300
MARK = "=== "


@dataclass(frozen=True)
class Block:
    document: Path
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def name(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def script(self) -> str:
        """What a shell runs."""
        if self.language == "python":
            return f"python - <<'END_OF_BLOCK'\n{self.text}END_OF_BLOCK\n"
        if self.language == "console":
            return "".join(f"{command}\n" for command, _ in self.console)
        return self.text

    @property
    def console(self) -> list[tuple[str, list[str]]]:
        """Its commands, each with the lines that are shown below it."""
        commands: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                commands.append((line.removeprefix("$ "), []))
            else:
                commands[-1][1].append(line)
        return commands


def blocks(document: Path) -> list[Block]:
    text = document.read_text("utf-8")
    found = []
    for match in BLOCK.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else line for line in match["text"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start()) + 1 + bool(match["comment"])
        found.append(Block(document, line, match["language"], body, match["reason"]))
    return found


ALL_BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
COMMANDS = [block for block in ALL_BLOCKS if block.language in LANGUAGES]
RUN = [block for block in COMMANDS if block.reason is None]
NOT_RUN = [block for block in COMMANDS if block.reason is not None]


@pytest.fixture(scope="module")
def checkout(emulator: Emulator, stack: LocalSystem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with the running system in ``.local`` and a virtual environment that is set up already."""
    folder = tmp_path_factory.mktemp("documents") / "checkout"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in (".git", ".venv", ".local"):
            (folder / path.name).symlink_to(path)
    (folder / ".local").symlink_to(emulator.folder)
    environment = folder / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    for name in (
        ".local-ready",
        ".java-ready",
        ".package-ready",
        ".dev-ready",
    ):  # newer than the requirements: make installs nothing
        (environment / name).touch()
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with pictures of one's own, and with an environment that has the Python client."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "Pictures" / "beach").mkdir(parents=True)
    for name in ("horses.jpg", "cow.jpg"):
        shutil.copy(SAMPLES / "photos" / name, folder / "Pictures" / "beach")
    # What the documents of the client have installed in their first block, which is not run.
    (folder / "similarix").symlink_to(install_wheel(tmp_path_factory.mktemp("wheel"), "cli", "aws", "mcp").parent)
    return folder


@pytest.fixture(scope="module")
def shell(checkout: Path, home: Path, stack: LocalSystem, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the shell; its curl fails where the API refuses a call, which curl alone does not."""
    tools = tmp_path_factory.mktemp("tools")
    curl = shutil.which("curl")
    assert curl, "the documents use curl"
    (tools / "curl").write_text(f'#!/bin/sh\nexec "{curl}" --silent --show-error --fail-with-body "$@"\n')
    (tools / "curl").chmod(0o755)
    path = os.pathsep.join((str(tools), str(checkout / ".venv" / "bin"), os.environ["PATH"]))
    return {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}


@pytest.fixture
def tidied(api: Caller, stack: LocalSystem) -> Iterator[None]:
    """Removes what the blocks have created, so that every other test finds the samples alone."""

    def identifiers() -> dict[str, set[str]]:
        files = api.result("GET", f"/api/collections/{stack.managed_collection}/files/", params={"limit": 100})
        return {
            "collections": {item["uuid"] for item in api.result("GET", "/api/collections/")["collections"]},
            "tokens": {item["id"] for item in api.result("GET", "/api/tokens/")["tokens"]},
            "files": {item["uuid"] for item in files["files"]},
        }

    before = identifiers()
    yield
    for kind, existing in identifiers().items():
        for identifier in existing - before[kind]:
            assert api("DELETE", f"/api/{kind}/{identifier}/").ok


@pytest.mark.parametrize("document", dict.fromkeys(block.document for block in RUN), ids=lambda path: path.name)
@pytest.mark.usefixtures("tidied")
def test_the_blocks_of_a_document_run_as_they_stand(
    document: Path, checkout: Path, shell: dict[str, str], stack: LocalSystem
) -> None:
    lines = ["set -eu", "set -o pipefail", export_line(stack)]
    to_run = [block for block in RUN if block.document == document]
    for block in to_run:
        lines += [f"printf '\\n{MARK}{block.name}\\n'", block.script]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=checkout,
        env=shell,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    printed = dict(part.split("\n", 1) for part in done.stdout.split(f"\n{MARK}")[1:])
    assert done.returncode == 0, f"{list(printed)[-1]} ended with {done.returncode}:\n{list(printed.values())[-1]}"
    for block in to_run:
        shown = [line for _, output in block.console for line in output] if block.language == "console" else []
        assert "\n".join(shown) in printed[block.name], f"{block.name} shows another output than its command prints"


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: f"{block.name} {block.reason}")
def test_a_block_that_is_not_run_names_its_reason(block: Block) -> None:
    """This test lists them."""
    assert len(block.reason or "") > 10


def test_every_block_names_its_language() -> None:
    assert {block.language for block in ALL_BLOCKS} <= {*LANGUAGES, *OTHER_LANGUAGES}


def test_a_block_whose_command_fails_is_noticed(shell: dict[str, str], stack: LocalSystem) -> None:
    """A call that the API refuses, in the middle of a block."""
    script = f'set -eu\n{export_line(stack)}\ncurl "$URL/api/collections/"\necho "went on"'
    done = subprocess.run(["bash", "-c", script], env=shell, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "went on" not in done.stdout
