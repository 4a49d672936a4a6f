"""What is made of the application: Chalice's part, the locked packages, and the archive of the embedder."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from embedder_container.models import load_description
from infra.archive import read_archive
from infra.bill_of_materials import api_bill, embedder_bill
from infra.bytecode import compiled, find_interpreter
from infra.dependencies import InstallationError, choose
from infra.embedder import UNUSED_SECONDS, zip_embedder
from infra.package import PACKAGED, ROOT, Package, PackagingError, package
from infra.workers import API, ARM64, EMBEDDER, RUNTIME, X86_64
from tests.conftest import SAMPLES
from tests.lambda_runtime import link_runtime

TYPES = ("library", "container", "machine-learning-model")
SMALL_APPLICATION = {
    "app.py": """from chalice import Chalice

from chalicelib.answer import ANSWER

app = Chalice(app_name="similarix")


@app.route("/")
def answer():
    return ANSWER
""",
    "chalicelib/__init__.py": "",
    "chalicelib/answer.py": "ANSWER = {}\n",
}


@pytest.fixture
def project(tmp_path):
    """A copy of the application's files, which a test may change."""
    for name in ("app.py", ".chalice/config.json", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for folder in ("chalicelib", "samples"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def small_project(tmp_path):
    """An application of one route: packaged in a fifth of the time, by the same steps."""
    folder = tmp_path / "small"
    for name, content in SMALL_APPLICATION.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    for name in (".chalice/config.json", "requirements.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package as it is deployed, with what it needs of the registry."""
    return package(out=tmp_path_factory.mktemp("full"))


def locked(lock: Path) -> set[tuple[str, str]]:
    """Names and versions of a lock's packages."""
    return set(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.M))


def test_the_same_sources_make_the_same_package_byte_for_byte(full, project, tmp_path):
    """From another folder, with other times and another umask."""
    for file in project.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    before = os.umask(0o077)
    try:
        again = package(project, out=tmp_path / "again")
    finally:
        os.umask(before)

    assert again.sha256 == full.sha256
    assert again.template == full.template


def test_the_full_package_has_the_thin_ones_files_and_the_locked_packages_and_no_other(full, packaged):
    with ZipFile(full.code) as archive, ZipFile(packaged.code) as thin:
        names = [name for name in archive.namelist() if "__pycache__" not in name]
        metadata = [archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
        own = [name for name in thin.namelist() if "__pycache__" not in name]
        assert {name: archive.read(name) for name in own} == {name: thin.read(name) for name in own}

    installed = {
        (re.search(r"^Name: (.*)", text, re.M)[1], re.search(r"^Version: (.*)", text, re.M)[1]) for text in metadata
    }
    assert {(re.sub(r"[-_.]+", "-", name.lower()), number) for name, number in installed} == locked(
        ROOT / "requirements.txt"
    )
    assert not [name for name in names if name.endswith((".pyc", "/RECORD", "/INSTALLER")) or name.startswith("bin/")]


def test_each_module_has_the_bytecode_of_the_interpreter_that_runs_it(full, packaged):
    """The full package's is Lambda's, where this machine has that Python; the thin one's is this interpreter."""
    for made, tag in ((full, RUNTIME.replace("python3.", "cpython-3")), (packaged, sys.implementation.cache_tag)):
        with ZipFile(made.code) as archive:
            names = set(archive.namelist())
        modules = [PurePosixPath(name) for name in names if name.endswith(".py")]
        expected = {str(module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc") for module in modules}
        assert {name for name in names if "__pycache__" in name} == (expected if made.has_bytecode else set())
    assert packaged.has_bytecode
    assert full.has_bytecode == (find_interpreter(RUNTIME) is not None)


def test_the_functions_python_imports_the_application_from_its_bytecode(full, tmp_path):
    """Every module that is ours is broken; the runtime's own packages are this project's."""
    interpreter = find_interpreter(RUNTIME) or Path(sys.executable)
    root, runtime = tmp_path / "task", tmp_path / "runtime"
    ZipFile(full.code).extractall(root)
    if not full.has_bytecode:
        for name, content in compiled(read_archive(full.code), interpreter).items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(content)
    for source in (root / "app.py", *(root / "chalicelib").rglob("*.py")):
        source.write_text("raise ImportError(__file__)\n")
    runtime.mkdir()
    paths = [str(root), str(link_runtime(runtime))]
    command = [
        str(interpreter),
        "-S",
        "-c",
        f"import sys; sys.path[:0] = {paths!r}; import app; print(app.app.app_name)",
    ]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONDONTWRITEBYTECODE": "1"})

    assert process.stdout == "similarix\n", process.stderr


def test_compiled_code_is_for_the_functions_processor_and_python(full):
    """The machine of a file is at its 19th byte: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html"""
    machines = {ARM64: 183, X86_64: 62}
    with ZipFile(full.code) as archive:
        libraries = {name: archive.read(name) for name in archive.namelist() if ".so" in PurePosixPath(name).suffixes}

    assert libraries
    for name, content in libraries.items():
        assert content[:4] == b"\x7fELF", name
        assert int.from_bytes(content[18:20], "little") == machines[API.architecture], name
        assert f".{RUNTIME.replace('python3.', 'cpython-3')}-" in name or ".abi3." in name, name


def test_a_file_that_is_not_the_locks_is_not_packaged(small_project):
    lock = small_project / "requirements.txt"
    pin, _, _ = lock.read_text().partition("\n")
    lock.write_text(f"{pin}\n    --hash=sha256:{'0' * 64}\n")

    with pytest.raises(PackagingError, match="DO NOT MATCH THE HASHES"):
        package(small_project)


def test_a_lock_without_hashes_installs_nothing(tmp_path):
    (tmp_path / "lock.txt").write_text("idna==3.20\n")

    with pytest.raises(InstallationError, match="hash"):
        choose(tmp_path / "lock.txt", X86_64)


def test_the_bill_of_the_api_lists_each_package_with_the_hash_of_its_file_and_the_archives_own(full):
    text = api_bill(ROOT, full)
    bill = json.loads(text)
    parts = {(part["name"], part["version"]): part for part in bill["components"]}
    chalice = {pin for pin in locked(ROOT / "requirements-local.txt") if pin[0] == "chalice"}

    assert parts.keys() == locked(ROOT / "requirements.txt") | chalice
    hashes = {part["hashes"][0]["content"] for pin, part in parts.items() if pin not in chalice}
    assert hashes <= set(re.findall(r"sha256:([0-9a-f]{64})", (ROOT / "requirements.txt").read_text()))
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": full.sha256}]
    (root,) = (entry for entry in bill["dependencies"] if entry["ref"] == "similarix-api")
    assert set(root["dependsOn"]) == {part["bom-ref"] for part in bill["components"]}
    assert api_bill(ROOT, full) == text
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_bill_of_the_embedder_lists_packages_base_image_and_model():
    lock = ROOT / "embedder_container" / "requirements.txt"
    model = load_description(ROOT / "embedder_container" / "models", "lite")
    text = embedder_bill(ROOT, choose(lock, EMBEDDER.architecture), model)
    bill = json.loads(text)
    kinds = {kind: [part for part in bill["components"] if part["type"] == kind] for kind in TYPES}

    assert {(part["name"], part["version"]) for part in kinds["library"]} == locked(lock)
    assert all(part["hashes"] for part in kinds["library"])
    (image,), (weights,) = kinds["container"], kinds["machine-learning-model"]
    assert image["hashes"][0]["content"] in (ROOT / "embedder_container" / "Dockerfile").read_text()
    files = {part["name"]: part["hashes"][0]["content"] for part in weights["components"]}
    assert files == {file.name: file.sha256 for file in model.files}
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_package_has_the_applications_files_and_the_samples_alone(packaged):
    with ZipFile(packaged.code) as archive:
        names = [name for name in archive.namelist() if "__pycache__" not in name]

    assert {name.split("/")[0] for name in names} == {"app.py", "chalice", "chalicelib", "samples"}
    samples = {name for name in names if name.startswith("samples/")}
    assert samples == {f"samples/photos/{picture.name}" for picture in (SAMPLES / "photos").glob("*.jpg")}
    assert all(name.endswith(PACKAGED) for name in set(names) - samples)


def test_those_who_package_at_once_share_one_package(small_project, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        packages = list(pool.map(lambda _: package(small_project, out=tmp_path / "out", thin=True), range(2)))

    assert packages[0] == packages[1]
    with ZipFile(packages[0].code) as archive:
        assert archive.testzip() is None


def test_an_unchanged_application_is_packaged_once(small_project):
    modified = package(small_project, thin=True).code.stat().st_mtime_ns
    assert package(small_project, thin=True).code.stat().st_mtime_ns == modified

    (small_project / "chalicelib" / "new.py").write_text("NEW = 1\n")
    assert "chalicelib/new.py" in ZipFile(package(small_project, thin=True).code).namelist()


def test_the_error_of_a_failed_packaging_has_chalices_words(small_project):
    (small_project / "app.py").write_text("import no_such_module\n")

    with pytest.raises(PackagingError, match="no_such_module"):
        package(small_project, thin=True)


def test_a_failed_packaging_leaves_no_package_behind(small_project):
    working = (small_project / "app.py").read_text()
    package(small_project, thin=True)
    (small_project / "app.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(PackagingError):
        package(small_project, thin=True)
    (small_project / "app.py").write_text(working)

    assert package(small_project, thin=True).code.exists()


def test_the_embedders_archive_has_the_chosen_model(tmp_path):
    with ZipFile(zip_embedder("lite", out=tmp_path)) as archive:
        names = set(archive.namelist())

    assert {
        "embedder_container/handler.py",
        "embedder_container/readers/jpeg.py",
        "embedder_container/models/lite/vision.onnx",
    } <= names
    assert f"embedder_container/__pycache__/handler.{sys.implementation.cache_tag}.pyc" in names
    assert not any("Dockerfile" in name for name in names)


def test_archives_of_other_models_stay_for_an_hour_for_those_who_are_about_to_read_them(tmp_path):
    lite, other = zip_embedder("lite", out=tmp_path), zip_embedder("fetched", out=tmp_path)
    assert lite != other
    assert lite.exists()
    an_hour_ago = time.time() - UNUSED_SECONDS - 1
    for archive in (lite, other):
        os.utime(archive, (an_hour_ago, an_hour_ago))

    assert zip_embedder("fetched", out=tmp_path) == other
    assert list(tmp_path.glob("*.zip")) == [other]


def test_a_fetched_model_stays_out_of_the_archive(tmp_path):
    root = tmp_path / "root"
    shutil.copytree(ROOT / "embedder_container", root / "embedder_container")
    (root / "build" / "models" / "large").mkdir(parents=True)
    (root / "build" / "models" / "large" / "vision.onnx").write_bytes(b"weights")
    with ZipFile(zip_embedder("large", root)) as archive:
        names = archive.namelist()

    assert "embedder_container/models.toml" in names
    assert not [name for name in names if name.endswith(".onnx")]
