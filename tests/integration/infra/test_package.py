import shutil
from zipfile import ZipFile

import pytest

from infra.embedder import zip_embedder
from infra.package import ROOT, PackagingError, package


@pytest.fixture
def project(tmp_path):
    """A copy of what is packaged, free to be changed."""
    for name in ("app.py", ".chalice/config.json", "infra/template.yaml", "requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib")
    return tmp_path


def test_only_the_application_is_packaged(packaged):
    with ZipFile(packaged.code) as archive:
        names = archive.namelist()

    assert {name.split("/")[0] for name in names} == {"app.py", "chalice", "chalicelib"}
    assert all(name.endswith(".py") for name in names)


def test_nothing_is_done_again_until_something_changes(project):
    stamp = package(project, thin=True).code.stat().st_mtime_ns
    assert package(project, thin=True).code.stat().st_mtime_ns == stamp

    (project / "chalicelib" / "new.py").write_text("NEW = 1\n")
    assert "chalicelib/new.py" in ZipFile(package(project, thin=True).code).namelist()


def test_a_failure_tells_what_chalice_said(project):
    (project / "app.py").write_text("import nothing_of_that_name\n")

    with pytest.raises(PackagingError, match="nothing_of_that_name"):
        package(project, thin=True)


def test_a_failure_leaves_nothing_to_be_taken_for_a_package(project):
    good = (project / "app.py").read_text()
    package(project, thin=True)
    (project / "app.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(PackagingError):
        package(project, thin=True)
    (project / "app.py").write_text(good)

    assert package(project, thin=True).code.exists()


def test_the_embedder_is_archived_with_one_model(tmp_path):
    with ZipFile(zip_embedder("lite", out=tmp_path)) as archive:
        names = set(archive.namelist())

    assert {"embedder_container/handler.py", "embedder_container/models/lite/vision.onnx"} <= names
    assert not any("__pycache__" in name or "Dockerfile" in name for name in names)


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="colossal"):
        zip_embedder("colossal", out=tmp_path)


def test_a_model_that_was_fetched_stays_out_of_the_archive(tmp_path):
    root = tmp_path / "root"
    shutil.copytree(ROOT / "embedder_container", root / "embedder_container")
    (root / "build" / "models" / "large").mkdir(parents=True)
    (root / "build" / "models" / "large" / "vision.onnx").write_bytes(b"weights")
    with ZipFile(zip_embedder("large", root)) as archive:
        names = archive.namelist()

    assert "embedder_container/models.toml" in names
    assert not [name for name in names if name.endswith(".onnx")]
