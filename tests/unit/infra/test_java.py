"""Which Java runs the services of this machine."""

from pathlib import Path

from infra.java import find_java


def runtime(folder: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="somebody"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def test_an_installed_one_with_the_vector_module_is_preferred(tmp_path: Path):
    runtime(tmp_path / "old", "17.0.15")
    good = runtime(tmp_path / "new", "21.0.2")
    found = find_java({"PATH": ""}, ((str(tmp_path), "*"),))
    assert (found.command, found.version, found.vectors) == (good / "bin" / "java", 21, True)
    assert found.options == ["--add-modules=jdk.incubator.vector"]


def test_java_home_comes_first(tmp_path: Path):
    chosen = runtime(tmp_path / "chosen", "25")
    runtime(tmp_path / "places" / "other", "24")
    found = find_java({"PATH": "", "JAVA_HOME": str(chosen)}, ((str(tmp_path / "places"), "*"),))
    assert found.command == chosen / "bin" / "java"


def test_one_that_is_too_old_or_lacks_the_module_or_is_none_gives_way_to_the_wheels(tmp_path: Path):
    runtime(tmp_path / "old", "17.0.15")
    runtime(tmp_path / "small", "21.0.1", modules="java.base")
    (tmp_path / "empty").mkdir()
    found = find_java({"PATH": "", "JAVA_HOME": str(tmp_path / "nowhere")}, ((str(tmp_path), "*"),))
    assert found.command.is_file()
    assert found.version >= 21
    assert found.options == []
