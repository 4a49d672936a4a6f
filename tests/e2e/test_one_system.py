"""``make run`` as a process: one folder, another model and another store."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from embedder_container import DECODE_VERSION
from infra.java import find_java
from infra.local_system import STACK_FILE, LocalSystem
from infra.localhost import free_port
from infra.maven import MavenError
from infra.opensearch.distribution import distribution
from tests.conftest import ROOT
from tests.embedder.tiny_clip import TINY_CLIP
from tests.java import JAVA_ENVIRONMENT

START_SECONDS = 240


@dataclass
class Folder:
    """A folder of a local system that ``make run`` starts, each time on another port, searches once and stops."""

    path: Path
    printed_first: str = ""

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "infra.run", "--once", "--port", str(free_port()), "--folder", str(self.path)]
        return subprocess.run(
            [*command, *options],
            cwd=ROOT,
            env=os.environ | JAVA_ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    def run_successfully(self, *options: str) -> str:
        done = self.run(*options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop_when_it_prints(self, text: str, *options: str) -> None:
        """Starts it, and presses Ctrl-C at the first line with the text."""
        command = [sys.executable, "-m", "infra.run", "--port", str(free_port()), "--folder", str(self.path)]
        with subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert any(text in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        # Python itself ends by the signal if it comes during an import.
        assert process.returncode in (0, -signal.SIGINT)

    @property
    def system(self) -> LocalSystem:
        system = LocalSystem.read(self.path)
        assert system is not None
        return system


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("one-system") / "local")
    folder.printed_first = folder.run_successfully()
    return folder


@dataclass(frozen=True)
class NextRun:
    """What a run without ``--model`` printed, and the system before it; ``problem`` says why its store is the same."""

    before: LocalSystem
    printed: str
    problem: str = ""


@pytest.fixture(scope="module")
def next_run(folder: Folder) -> NextRun:
    """The first run after the model has changed: with another store, where this machine has OpenSearch."""
    before = folder.system
    try:
        distribution()
        find_java()
    except (MavenError, ImportError, OSError) as error:
        return NextRun(before, folder.run_successfully(), str(error))
    return NextRun(before, folder.run_successfully("--store", "opensearch", "--migrate"))


@pytest.fixture(scope="module")
def own_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of one's own: any name, and a model.json that lists no files."""
    path = tmp_path_factory.mktemp("models") / "My Model"
    shutil.copytree(TINY_CLIP, path)
    description = json.loads((path / "model.json").read_text())
    description["files"] = {
        "tokenizer.json": description["files"]["tokenizer.json"],
        "vision.onnx": {},
        "text.onnx": {},
    }
    (path / "model.json").write_text(json.dumps(description))
    return str(path)


def test_another_model_is_offered_and_changes_nothing_until_it_is_wanted(folder: Folder, own_model: str) -> None:
    before = (folder.path / STACK_FILE).read_text()
    done = folder.run("--model", own_model)

    assert done.returncode == 1
    assert f"uses the model lite-1+d{DECODE_VERSION} and the store sqlite" in done.stderr
    assert "MIGRATE=yes" in done.stderr
    assert (folder.path / STACK_FILE).read_text() == before


def test_a_folder_of_ones_own_becomes_the_model_of_the_system_and_a_stopped_migration_continues(
    folder: Folder, own_model: str
) -> None:
    before = folder.system
    version = f"tiny-clip-1+d{DECODE_VERSION}"
    folder.stop_when_it_prints(f"Embedding every picture with {version}", "--model", own_model, "--migrate")
    assert folder.system.migration == ["sync"]

    printed = folder.run_successfully()

    assert "50 in the catalogue, 50 in the store" in printed
    after = folder.system
    assert (after.model, after.model_version, after.migration) == (own_model, version, [])
    kept = ("token", "collection", "managed_collection")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]


def test_the_folder_remembers_its_model_and_key_and_the_token_is_printed_once(
    folder: Folder, own_model: str, next_run: NextRun
) -> None:
    before, printed = next_run.before, next_run.printed

    assert "Embedding" not in printed
    assert folder.system.model == own_model
    assert folder.system.aws_access_key_id == before.aws_access_key_id
    assert folder.printed_first.count(before.token) == 1
    assert before.token not in printed
    assert f'eval "$(make -s variables FOLDER={folder.path})"' in printed
    log = (folder.path / "emulator.log").read_text(errors="replace")
    secrets = (before.token, before.aws_access_key_id, before.aws_secret_access_key)
    assert [secret for secret in secrets if secret in log] == []


def test_a_model_json_without_a_key_is_reported_with_the_key(folder: Folder, own_model: str, tmp_path: Path) -> None:
    shutil.copytree(own_model, tmp_path / "model")
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    del description["name"]
    (tmp_path / "model" / "model.json").write_text(json.dumps(description))
    done = folder.run("--model", str(tmp_path / "model"))

    assert (done.returncode, done.stdout) == (1, "")
    assert "lacks 'name'" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_store_is_filled_from_the_catalogue(folder: Folder, next_run: NextRun) -> None:
    if next_run.problem:
        pytest.skip(next_run.problem)

    assert "Embedding" not in next_run.printed
    assert "50 in the catalogue, 50 in the store" in next_run.printed
    assert (folder.system.store, folder.system.migration) == ("opensearch", [])
