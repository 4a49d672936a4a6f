"""The locks: every package pinned with the hashes of its files, for every platform, and equal wherever it is locked."""

import re
from pathlib import Path

import pytest

from infra.workers import RUNTIME

ROOT = Path(__file__).parents[2]
LOCKS = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("embedder_container/requirements*.txt")])
LOCAL, API = ROOT / "requirements-local.txt", ROOT / "requirements.txt"
PINNED = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;]+)(?P<marker> ; [^\\\n]+)? \\$", re.M | re.I)
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(lock: Path) -> dict[str, set[str]]:
    """The versions of each package; there are several where they depend on Python's own."""
    found: dict[str, set[str]] = {}
    for match in PINNED.finditer(lock.read_text()):
        found.setdefault(match["name"], set()).add(match["version"])
    return found


def hashes(lock: Path) -> dict[str, set[str]]:
    """The hashes of each pinned version."""
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    return {entry.split()[0]: set(re.findall(r"sha256:[0-9a-f]{64}", entry)) for entry in entries}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_line_of_a_lock_is_a_pin_or_a_hash_so_that_no_index_is_named(lock: Path):
    lines = lock.read_text().splitlines()
    assert [line for line in lines if not (PINNED.match(line) or HASH.match(line))] == []
    assert all(hashes(lock).values())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_package_that_its_list_names_is_locked_in_its_version(lock: Path):
    named = re.findall(r"^([\w.-]+)(?:\[.*\])?(?:==([\w.]+))?", lock.with_suffix(".in").read_text(), re.M)
    locked = {re.sub(r"[-_.]+", "-", name.lower()): versions for name, versions in pins(lock).items()}
    for name, version in named:
        if not name.startswith("-"):
            versions = locked[re.sub(r"[-_.]+", "-", name.lower())]
            assert not version or versions == {version}


@pytest.mark.parametrize("lock", [API, ROOT / "embedder_container" / "requirements.txt"], ids=["API", "embedder"])
def test_what_is_deployed_is_what_is_tested(lock: Path):
    """The emulator's functions run with the packages of requirements-local.txt, botocore's own among them."""
    tested = hashes(LOCAL)
    for pin, files in hashes(lock).items():
        assert files == tested[pin], pin


@pytest.mark.parametrize("name", ["numpy", "onnxruntime", "pillow", "tokenizers", "cryptography", "charset-normalizer"])
def test_a_package_with_compiled_code_has_the_hashes_of_many_files(name: str):
    """Of Python 3.11 to 3.13, x86-64 and arm64, at the least."""
    (files,) = (files for pin, files in hashes(LOCAL).items() if pin.startswith(f"{name}=="))
    assert len(files) >= 6 or name == "tokenizers"


# What installs packages, and in how many places: the Dockerfile for the image's build, and for the image; the virtual
# environment's by uv, and by pip.
INSTALLERS = {
    "Makefile": 1,
    "embedder_container/Dockerfile": 2,
    "infra/dependencies.py": 1,
    "infra/virtual_environment.py": 2,
}


def test_nothing_is_installed_but_by_its_hash_and_no_packages_own_code_runs():
    for name, places in INSTALLERS.items():
        text = (ROOT / name).read_text()
        for part in (r'pip(?:",\s*"| )install\b', "--require-hashes", r'--only-binary(?:=|",\s*"| ):all:'):
            assert len(re.findall(part, text)) == places, (name, part)


def test_no_other_file_installs_packages():
    files = [
        *ROOT.glob("*.py"),
        *ROOT.glob("infra/**/*.py"),
        *ROOT.glob("embedder_container/**/*.py"),
        ROOT / ".ci/run",
    ]
    installing = {file for file in files if re.search(r'pip(?:",\s*"| )install\b', file.read_text())}
    assert {str(file.relative_to(ROOT)) for file in installing} == {
        name for name in INSTALLERS if name.startswith("infra/")
    }


def test_the_lock_of_the_api_is_for_the_functions_python():
    assert f"--python-version {RUNTIME.removeprefix('python')} --python-platform" in (ROOT / "Makefile").read_text()


def test_the_base_image_is_named_by_its_digest():
    dockerfile = (ROOT / "embedder_container" / "Dockerfile").read_text()
    assert re.findall(r"^FROM .*", dockerfile, re.M) == re.findall(
        r"^FROM \S+:3\.13@sha256:[0-9a-f]{64}$", dockerfile, re.M
    )
