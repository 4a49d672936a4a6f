"""The bytecode of an archive: what the interpreter reads in place of the sources, and which interpreter makes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.bytecode import BytecodeError, compiled, find_interpreter

THIS = Path(sys.executable)
RUNTIME = "python{}.{}".format(*sys.version_info)
FILES = {
    "shop.py": b"NAMES = {'b', 'a'}\n",
    "prices/__init__.py": b"",
    "prices/list.py": b"ONE = 1\n",
    "page.html": b"<p>",
}


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_each_module_has_bytecode_where_the_interpreter_looks_for_it():
    tag = sys.implementation.cache_tag

    assert set(compiled(FILES, THIS)) == {
        f"__pycache__/shop.{tag}.pyc",
        f"prices/__pycache__/__init__.{tag}.pyc",
        f"prices/__pycache__/list.{tag}.pyc",
    }


def test_the_bytecode_is_read_without_a_look_at_the_source(tmp_path):
    for name, content in {**FILES, **compiled(FILES, THIS)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "shop.py").write_text("raise SystemExit('compiled again')\n")
    command = [sys.executable, "-c", "import shop; print(sorted(shop.NAMES), shop.__file__)"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert process.stdout.split("] ")[0] == "['a', 'b'", process.stderr


def test_the_same_sources_have_the_same_bytecode_in_any_order():
    assert compiled(FILES, THIS) == compiled(dict(reversed(FILES.items())), THIS)


def test_a_source_that_is_no_python_is_named():
    with pytest.raises(BytecodeError, match=r"broken\.py"):
        compiled({"broken.py": b"def"}, THIS)


def test_an_interpreter_is_found_by_what_it_runs_and_not_by_its_name(tmp_path):
    script(tmp_path / "empty" / "python2.0", "exit 127")
    found = script(tmp_path / "other" / "python2.0", "echo python2.0 /opt/python2.0")
    path = os.pathsep.join(str(folder) for folder in (tmp_path / "none", tmp_path / "empty", found.parent))

    assert find_interpreter("python2.0", path) == Path("/opt/python2.0")
    assert find_interpreter("python2.0", str(tmp_path / "empty")) is None
    assert find_interpreter(RUNTIME, "") == THIS
