"""Who imports what: heavy libraries come with the folders that need them, and not before."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numba", "matplotlib", "arviz", "jax")


def loaded_after(statement: str) -> set[str]:
    """The top-level modules that a fresh process has after the statement."""
    program = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import lemmata",
        "import lemmata.theory",
        "import lemmata.theory.learning",
        "import lemmata.theory.entropy",
        "import lemmata.theory.minimax",
        "import lemmata.theory.resilience",
        "import lemmata.cli",
        "import lemmata.papers.registry",
        "import lemmata.papers.engine.campaign, lemmata.papers.engine.report, lemmata.papers.engine.script",
    ],
)
def test_no_heavy_library_is_imported(statement):
    assert loaded_after(statement).isdisjoint(HEAVY)


def test_the_command_line_starts_without_numerical_libraries():
    assert loaded_after("import lemmata.cli").isdisjoint({*HEAVY, "numpy", "scipy", "sympy", "joblib"})


def test_the_simulation_never_imports_torch_and_the_twin_never_imports_numba():
    assert "torch" not in loaded_after("import lemmata.sim.learning.energy")
    for subject in ("entropy", "minimax", "resilience"):
        assert "torch" not in loaded_after(f"import lemmata.sim.{subject}")
    for subject in ("learning.energy", "entropy", "minimax", "resilience"):
        assert "numba" not in loaded_after(f"import lemmata.accel.{subject}")
