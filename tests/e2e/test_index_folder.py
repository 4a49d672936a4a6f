"""``make index`` on the deployed system: a folder of one's own pictures."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from infra import index_folder
from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "Pictures"
    (folder / "2024" / "été").mkdir(parents=True)
    for name in ("owl.jpg", "horses.jpg"):
        shutil.copy(SAMPLES / "photos" / name, folder / "2024" / "été" / name)
    shutil.copy(SAMPLES / "photos" / "owl.jpg", folder / "my owl.JPG")
    (folder / "notes.jpg").write_text("dear diary")
    return folder


@pytest.fixture
def index(stack: LocalSystem, pictures: Path, tmp_path: Path, capsys: Any) -> Any:
    stack.write(tmp_path)

    def run() -> str:
        assert index_folder.main(["--folder", str(tmp_path), str(pictures)]) == 0
        return str(capsys.readouterr().out)

    return run


def test_it_is_searched_with_its_paths_and_again_only_what_has_changed_is_copied(
    index: Any, pictures: Path, api: Caller, stack: LocalSystem
) -> None:
    printed = index()
    assert "4 to copy, 0 gone" in printed
    assert f"3 pictures of {pictures} can be searched." in printed
    assert f"- not indexed: {pictures}/notes.jpg: not_an_image" in printed
    collection = printed.split("COLLECTION=")[1].split()[0]
    try:
        found = uris(api, collection)
        assert found == {
            f"s3://pictures{pictures}/{name}" for name in ("2024/été/owl.jpg", "2024/été/horses.jpg", "my owl.JPG")
        }
        (pictures / "my owl.JPG").unlink()
        shutil.copy(SAMPLES / "photos" / "pig.jpg", pictures / "pig.jpg")
        assert "1 to copy, 1 gone" in index()
        assert uris(api, collection) == found - {f"s3://pictures{pictures}/my owl.JPG"} | {
            f"s3://pictures{pictures}/pig.jpg"
        }
    finally:
        assert api("DELETE", f"/api/collections/{collection}/").status_code == 202


def uris(api: Caller, collection: str) -> set[str]:
    files = api.result("GET", "/api/search/", params={"query": "an owl", "collection": collection})["files"]
    return {file["s3_uri"] for file in files}


def test_a_folder_without_pictures_is_refused(stack: LocalSystem, tmp_path: Path, capsys: Any) -> None:
    stack.write(tmp_path)
    (tmp_path / "empty").mkdir()
    assert index_folder.main(["--folder", str(tmp_path), str(tmp_path / "empty")]) == 1
    assert "There are no pictures in" in capsys.readouterr().err
