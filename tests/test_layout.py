"""What is shipped is what lies in the listed folders, and nothing else of the root."""

import tomllib
from pathlib import Path

import lemmata

ROOT = Path(__file__).parents[1]
COLUMNS = ("theory", "sim", "accel", "papers", "cli")


def test_every_package_is_listed():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = {p.parent.relative_to(ROOT) for column in COLUMNS for p in (ROOT / column).rglob("__init__.py")}
    assert set(tool["packages"]) == {"lemmata"} | {"lemmata." + ".".join(f.parts) for f in found}


def test_every_folder_with_a_module_is_a_package():
    folders = {p.parent for column in COLUMNS for p in (ROOT / column).rglob("*.py")}
    assert [f for f in folders if not (f / "__init__.py").exists()] == []


def test_no_stray_module_at_the_root():
    assert {p.name for p in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_tests_see_this_checkout():
    assert Path(lemmata.__file__).resolve().parent == ROOT.resolve()


def test_no_two_tests_share_a_file_name():
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
