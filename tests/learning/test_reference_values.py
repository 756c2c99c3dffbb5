"""The exact functions give the published and hand-made values of docs/learning, section 9."""

import tomllib
from fractions import Fraction
from pathlib import Path

import pytest

from lemmata.theory import learning

TABLE = tomllib.loads((Path(__file__).parents[1] / "reference" / "learning_coefficients.toml").read_text())
ROWS = [(name, row) for name, rows in TABLE.items() for row in rows]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(ROWS)])
def test_the_reference_value_is_met_exactly(name, row):
    found = getattr(learning, name)(**row["shape"])
    assert (found.value, found.multiplicity) == (Fraction(row["value"]), row["multiplicity"])
    assert isinstance(found.value, Fraction)
    assert isinstance(found.multiplicity, int)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (learning.reduced_rank(3, 3, 4, 1), "balanced, odd"),
        (learning.reduced_rank(3, 2, 4, 1), "balanced, even"),
        (learning.reduced_rank(2, 1, 5, 0), "case 2"),
        (learning.reduced_rank(5, 1, 2, 0), "case 3"),
        (learning.reduced_rank(2, 6, 3, 0), "case 4"),
        (learning.deep_linear([3, 2, 4, 2], 1), "ℓ = 2"),
        (learning.partial_concept_bottleneck(3, 2, 2, 5, 2, 1), "16 regular coordinates"),
        (learning.observed_chain([3, 3, 2, 2, 2], [1, 4], [1, 0]), "9/2 + 1"),
        (learning.multitask(2, 1, 2, 4, 1), "multitask"),
        (learning.concept_bottleneck(3, 2, 5), "every hidden unit observed"),
    ],
)
def test_a_result_says_which_case_applied(found, words):
    assert words in found.theorem
    assert words in str(found)
