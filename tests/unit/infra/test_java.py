"""The choice of a Java runtime."""

from pathlib import Path

from infra.java import find_java


def runtime(folder: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="vendor"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def test_an_installed_java_with_the_vector_module_is_preferred(tmp_path: Path):
    runtime(tmp_path / "old", "17.0.15")
    new = runtime(tmp_path / "new", "21.0.2")
    java = find_java({"PATH": ""}, ((str(tmp_path), "*"),))
    assert (java.command, java.version, java.vectors) == (new / "bin" / "java", 21, True)
    assert java.options == ["--add-modules=jdk.incubator.vector"]


def test_the_java_of_java_home_comes_first(tmp_path: Path):
    chosen = runtime(tmp_path / "chosen", "25")
    runtime(tmp_path / "installed" / "other", "24")
    java = find_java({"PATH": "", "JAVA_HOME": str(chosen)}, ((str(tmp_path / "installed"), "*"),))
    assert java.command == chosen / "bin" / "java"


def test_the_java_of_the_wheel_is_used_where_installed_ones_are_too_old_or_lack_the_module(tmp_path: Path):
    runtime(tmp_path / "old", "17.0.15")
    runtime(tmp_path / "small", "21.0.1", modules="java.base")
    (tmp_path / "empty").mkdir()
    java = find_java({"PATH": "", "JAVA_HOME": str(tmp_path / "absent")}, ((str(tmp_path), "*"),))
    assert java.command.is_file()
    assert java.version >= 21
    assert java.options == []
