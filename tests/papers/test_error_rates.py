"""How often the engine itself is wrong, over thousands of synthetic claims whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from lemmata.papers.engine.claim import BoundedDraws, Case, Claim, FalseVariant, Relation
from lemmata.papers.engine.profile import Profile
from lemmata.papers.engine.row import examine
from lemmata.papers.engine.verdict import Verdict, row_threshold, verdicts
from lemmata.theory.estimate import Estimate

CLAIMS = 1000
LEVEL = 0.05  # of one hypothesis of one row
STUDY = Profile("study", first=8, step=8, most=48, effort=1.0, trials=1, level=LEVEL)
FEW_BLOCKS = replace(STUDY, first=3, step=3, most=12)
# 1000 claims that err with probability exactly 0.05 exceed 81 once in 10^5 studies; there are six of them here
MOST_WRONG = 81


def normal(case, rng, effort):
    """A block of normal mean: what the asymptotic sequence takes means of blocks for."""
    return Estimate(case.arguments["mean"] + rng.standard_normal(), 1.0, 1, 1.0, "one normal value")


def skewed(case, rng, effort):
    """The mean of 30 exponential values, of skewness 0.37, with mean and deviation as `normal` has them."""
    value = (rng.standard_exponential(30).mean() - 1) * 30**0.5
    return Estimate(case.arguments["mean"] + value, 1.0, 30, 30.0, "exponential values")


def rare(case, rng, effort):
    """400 values that are 1 with a small probability and 0 otherwise: far from normal, but bounded."""
    hits = float(rng.binomial(400, case.arguments["mean"]))
    return BoundedDraws(400, hits / 400, hits * (1 - hits / 400), 0.0, 1.0, "rare events")


def share(simulate, relation, mean, theory, tolerance, decision):
    """How many of 1000 claims come out with the decision, each from its own seed."""
    claim = Claim(
        name="synthetic",
        paper="study",
        place="",
        sentence="",
        relation=relation,
        theory=lambda mean: theory,
        simulate=simulate,
        cases=(Case("one", {"mean": mean}),),
        tolerance=tolerance,
        remainder="",
        false_variants=(FalseVariant("never tried", lambda mean: 0.0, ("one",)),),
    )
    object.__setattr__(claim, "false_variants", ())  # the study is of the claim alone
    threshold = row_threshold(LEVEL, 1)
    study = FEW_BLOCKS if simulate is rare else STUDY
    rows = [examine(claim, claim.cases[0], seed, study, threshold) for seed in range(CLAIMS)]
    assert not any(row.failure for row in rows)
    return sum(verdicts([row.p], LEVEL, 1) == [decision] for row in rows)


@pytest.mark.parametrize(("simulate", "relation"), [(normal, Relation.EQUALS), (skewed, Relation.AT_MOST)])
def test_true_claims_at_the_edge_of_their_tolerance_are_seldom_refuted(simulate, relation):
    # the mean lies on the edge: true, and as hard to tell from false as can be
    assert share(simulate, relation, 0.5, 0.0, 0.5, Verdict.REFUTED) <= MOST_WRONG


@pytest.mark.parametrize(("simulate", "relation"), [(skewed, Relation.EQUALS), (normal, Relation.AT_LEAST)])
def test_false_claims_just_beyond_their_tolerance_are_seldom_supported(simulate, relation):
    assert share(simulate, relation, -0.5 - 1e-9, 0.0, 0.5, Verdict.SUPPORTED) <= MOST_WRONG


def test_a_rare_event_is_no_cause_for_error_where_the_range_is_known():
    assert share(rare, Relation.EQUALS, 0.003, 0.002, 0.001, Verdict.REFUTED) <= MOST_WRONG
    assert share(rare, Relation.AT_MOST, 0.003 + 1e-9, 0.002, 0.001, Verdict.SUPPORTED) <= MOST_WRONG


def test_false_claims_are_refuted_at_the_stated_effect():
    # 0.75 deviations of a block beyond the edge: at least 90 percent; bounded draws: 2.2 percent against 1 and less
    assert share(normal, Relation.EQUALS, 1.25, 0.0, 0.5, Verdict.REFUTED) >= 900
    assert share(skewed, Relation.AT_MOST, 1.25, 0.0, 0.5, Verdict.REFUTED) >= 900
    assert share(rare, Relation.EQUALS, 0.022, 0.005, 0.005, Verdict.REFUTED) >= 900


def test_true_claims_well_inside_are_supported():
    assert share(normal, Relation.EQUALS, 0.0, 0.0, 0.7, Verdict.SUPPORTED) >= 900


def test_a_run_of_many_rows_errs_less_often_than_stated_in_even_one():
    # 150 runs of 4 true rows on the edge; 0.05 of them is 7.5, and 19 would be exceeded once in 10^4 if it were exact
    rng, wrong = np.random.default_rng(5), 0
    claim = Claim(
        "edge", "study", "", "", Relation.EQUALS, lambda mean: 0.0, normal, (Case("one", {"mean": 0.5}),), 0.5, "",
        (FalseVariant("far off", lambda mean: 9.0),),
    )  # fmt: skip
    threshold = row_threshold(LEVEL, 4)
    for _ in range(150):
        rows = [examine(claim, claim.cases[0], int(rng.integers(2**40)), STUDY, threshold) for _ in range(4)]
        wrong += Verdict.REFUTED in verdicts([row.p for row in rows], LEVEL, 4)
    assert wrong <= 19
