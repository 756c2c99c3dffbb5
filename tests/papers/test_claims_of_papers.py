"""Every claim of every paper holds, and every false variant of it is caught, within the quick profile's budget."""

from dataclasses import replace

import pytest

from lemmata.papers.engine.claim import Relation
from lemmata.papers.engine.profile import PROFILES
from lemmata.papers.engine.row import examine
from lemmata.papers.registry import PAPERS, TITLES, claims_of

BRIEF = replace(PROFILES["quick"], trials=100)
THRESHOLD = 0.01
ROWS = [(claim, case) for claim in claims_of() for case in claim.cases]
FIRST = [(claim, claim.cases[0]) for claim in claims_of()]
OTHERS = [pytest.param(c, k, marks=pytest.mark.slow) for c in claims_of() for k in c.cases[1:]]
BY_PLACE = FIRST + [(c, k) for c in claims_of() for k in c.cases[1:]]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The tests run side by side; more threads would only fight."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Seed 1, fixed.  `lemmata validate --power` goes through every case at the level of a whole run, with seed 0; here only
# the first case of each claim runs, with fewer inputs and at p = 0.01, unless `-m slow` asks for the others.
@pytest.mark.parametrize(("claim", "case"), FIRST + OTHERS, ids=[f"{c.paper}-{c.name}-{k.name}" for c, k in BY_PLACE])
def test_the_row_is_supported_and_its_false_variants_are_refuted(claim, case):
    row = examine(claim, case, seed=1, profile=BRIEF, threshold=THRESHOLD)
    assert row.failure == ""
    assert row.p.supported <= THRESHOLD < row.p.refuted
    assert [variant.words for variant in row.variants if not variant.refuted] == []
    assert row.variants


def test_every_paper_has_a_title_and_claims_that_name_it():
    assert all(TITLES.values())
    for name, claims in PAPERS.items():
        assert {claim.paper for claim in claims} == {name}
        assert len({claim.name for claim in claims}) == len(claims)


def test_no_false_variant_lies_within_the_tolerance_of_the_truth():
    # there it would be right, and could not be refuted
    for claim, case in ROWS:
        if claim.relation is Relation.EQUALS:
            theory, tolerance = claim.theory_at(case.arguments), claim.tolerance_at(case)
            for variant in claim.false_variants:
                if variant.applies(case):
                    assert abs(claim.theory_at(case.arguments, variant) - theory) > tolerance, (case, variant.words)


def test_an_unknown_paper_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"paper must be one of reduced_rank, .* got 'nobody'"):
        claims_of(["nobody"])
