"""Every claim of every paper holds, and every false variant of it is caught, within the quick profile's budget."""

import pytest

from lemmata.papers.campaign import PROFILES
from lemmata.papers.claim import Relation
from lemmata.papers.registry import PAPERS, TITLES, claims_of
from lemmata.papers.row import examine
from lemmata.papers.verdict import row_threshold

QUICK = PROFILES["quick"]
ROWS = [(claim, case) for claim in claims_of() for case in claim.cases]
THRESHOLD = row_threshold(QUICK.level, len(ROWS))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The tests run side by side; more threads would only fight."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# seed 1, fixed; with seeds 3 to 8 all 228 rows passed too, so at most about one row in 75 fails for an unlucky seed
@pytest.mark.parametrize(("claim", "case"), ROWS, ids=[f"{c.paper}-{c.name}-{k.name}" for c, k in ROWS])
def test_the_row_is_supported_and_its_false_variants_are_refuted(claim, case):
    row = examine(claim, case, seed=1, profile=QUICK, threshold=THRESHOLD)
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
