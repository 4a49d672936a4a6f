"""What Chalice makes of the application, and the archive of the embedder."""

import shutil
from zipfile import ZipFile

import pytest

from infra.embedder import zip_embedder
from infra.package import ROOT, PackagingError, package


@pytest.fixture
def project(tmp_path):
    """A copy of the application's files, which a test may change."""
    for name in ("app.py", ".chalice/config.json", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib")
    return tmp_path


def test_the_package_has_the_applications_python_files_alone(packaged):
    with ZipFile(packaged.code) as archive:
        names = archive.namelist()

    assert {name.split("/")[0] for name in names} == {"app.py", "chalice", "chalicelib"}
    assert all(name.endswith(".py") for name in names)


def test_an_unchanged_application_is_packaged_once(project):
    modified = package(project, thin=True).code.stat().st_mtime_ns
    assert package(project, thin=True).code.stat().st_mtime_ns == modified

    (project / "chalicelib" / "new.py").write_text("NEW = 1\n")
    assert "chalicelib/new.py" in ZipFile(package(project, thin=True).code).namelist()


def test_the_error_of_a_failed_packaging_has_chalices_words(project):
    (project / "app.py").write_text("import no_such_module\n")

    with pytest.raises(PackagingError, match="no_such_module"):
        package(project, thin=True)


def test_a_failed_packaging_leaves_no_package_behind(project):
    working = (project / "app.py").read_text()
    package(project, thin=True)
    (project / "app.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(PackagingError):
        package(project, thin=True)
    (project / "app.py").write_text(working)

    assert package(project, thin=True).code.exists()


def test_the_embedders_archive_has_the_chosen_model(tmp_path):
    with ZipFile(zip_embedder("lite", out=tmp_path)) as archive:
        names = set(archive.namelist())

    assert {
        "embedder_container/handler.py",
        "embedder_container/readers/jpeg.py",
        "embedder_container/models/lite/vision.onnx",
    } <= names
    assert not any("__pycache__" in name or "Dockerfile" in name for name in names)


def test_a_fetched_model_stays_out_of_the_archive(tmp_path):
    root = tmp_path / "root"
    shutil.copytree(ROOT / "embedder_container", root / "embedder_container")
    (root / "build" / "models" / "large").mkdir(parents=True)
    (root / "build" / "models" / "large" / "vision.onnx").write_bytes(b"weights")
    with ZipFile(zip_embedder("large", root)) as archive:
        names = archive.namelist()

    assert "embedder_container/models.toml" in names
    assert not [name for name in names if name.endswith(".onnx")]
