"""Every example in a docstring prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import lemmata

COLUMNS = ("theory", "sim", "accel", "papers")
MODULES = [
    name
    for column in COLUMNS
    for package in [importlib.import_module(f"lemmata.{column}")]
    for _, name, _ in pkgutil.walk_packages(package.__path__, f"lemmata.{column}.")
]


@pytest.mark.parametrize("name", ["lemmata", *MODULES])
def test_the_examples_of_a_module_print_what_they_say(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name))]
    assert sum(bool(test.examples) for test in tests) >= 20
    assert lemmata.__doc__
