"""The decisions on a row, and the control of errors over a run."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemmata.papers.engine.claim import Relation
from lemmata.papers.engine.profile import Profile
from lemmata.papers.engine.verdict import (
    FARTHEST,
    RARITY,
    PValues,
    Verdict,
    decide,
    edges,
    holm,
    more_needed,
    p_values,
    p_values_of_search,
    verdicts,
)
from lemmata.theory.normal_mean import NormalMean

numbers = st.floats(-3.0, 3.0)
means = st.builds(NormalMean, st.integers(2, 400), numbers, st.floats(0.0, 300.0))


def p(relation, seen, theory, tolerance):
    return p_values(seen, *edges(relation, theory, tolerance))


@given(means, numbers, st.floats(0.0, 2.0), st.sampled_from([1e-6, 1e-4, 0.01, 0.04]))
def test_support_means_that_the_whole_interval_lies_within_the_tolerance(seen, theory, tolerance, level):
    low, high = seen.interval(1 - 2 * level)  # its two ends are where the evidence reaches 1/level
    if math.isfinite(low):
        inside = theory - tolerance < low and high < theory + tolerance
        near = min(abs(theory - tolerance - low), abs(high - theory - tolerance)) < 1e-8
        assert near or (p(Relation.EQUALS, seen, theory, tolerance).supported < level) == inside
        outside = high < theory - tolerance or theory + tolerance < low
        near = min(abs(theory - tolerance - high), abs(low - theory - tolerance)) < 1e-8
        assert near or (p(Relation.EQUALS, seen, theory, tolerance).refuted < 2 * level) == outside


@given(means, numbers, st.floats(0.0, 2.0), st.sampled_from(list(Relation)[:3]))
def test_no_mean_speaks_for_both_decisions(seen, theory, tolerance, relation):
    assert max(p(relation, seen, theory, tolerance)) == 1.0


@given(means, numbers, st.floats(0.0, 2.0))
def test_a_one_sided_claim_is_half_of_an_equality(seen, theory, tolerance):
    both = p(Relation.EQUALS, seen, theory, tolerance)
    most, least = (p(relation, seen, theory, tolerance) for relation in (Relation.AT_MOST, Relation.AT_LEAST))
    assert both.supported == max(most.supported, least.supported)
    assert both.refuted == min(1.0, 2 * min(most.refuted, least.refuted))


def test_a_simulation_without_noise_is_decided_by_its_value():
    def seen(mean):
        return NormalMean(40, mean, 0.0)

    assert p(Relation.EQUALS, seen(1.05), 1.0, 0.1).supported < 1e-9
    assert p(Relation.EQUALS, seen(1.2), 1.0, 0.1).refuted < 1e-9
    assert p(Relation.EQUALS, seen(1.0), 1.0, 0.0) == PValues(1.0, 1.0)  # no tolerance: nothing can support it


def test_a_search_is_refuted_by_one_violation_and_supported_by_many_trials_alone():
    assert p_values_of_search(10**6, 1) == PValues(1.0, 0.0)
    assert p_values_of_search(10, 0).supported > 0.9
    enough = math.ceil(math.log(1e-6) / math.log1p(-RARITY))
    assert p_values_of_search(enough, 0).supported <= 1e-6 < p_values_of_search(enough - 1, 0).supported


def test_a_search_has_no_edges():
    with pytest.raises(ValueError, match="relation must be one that compares a mean, got never exceeds"):
        edges(Relation.NEVER_EXCEEDS, 1.0, 0.0)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6), st.sampled_from([0.01, 0.05, 0.3]))
def test_holm_is_the_closed_test_of_bonferroni(p, level):
    sets = [s for k in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), k)]
    gone = {s for s in sets if min(p[i] for i in s) <= level / len(s)}
    assert holm(p, level) == [all(s in gone for s in sets if i in s) for i in range(len(p))]


def test_looking_stops_at_the_first_decision_and_keeps_the_least_p_values():
    looks = {4: PValues(1.0, 0.02), 8: PValues(0.5, 0.2), 12: PValues(1.0, 0.001), 16: PValues(0.0, 1.0)}
    asked = []

    def look(blocks):
        asked.append(blocks)
        return looks[blocks]

    decision = decide(look, Profile("four", 4, 4, 16, 1.0, 1, 0.1).looks(), threshold=0.01)
    assert asked == [4, 8, 12]
    assert decision == (PValues(0.5, 0.001), 12)


@pytest.mark.parametrize("mean", [0.02, 0.06, 0.2])
def test_the_guess_of_how_much_more_would_decide_is_what_decides_if_the_draws_go_on_alike(mean):
    seen = NormalMean(50, mean, 49.0)

    def look(factor):
        return p_values(seen.repeated(factor), -0.5, 0.5)

    factor = more_needed(look, 1e-5)
    assert min(look(factor)) <= 1e-5 < min(look(factor / 1.06))


def test_nobody_waits_for_a_mean_on_the_edge():
    seen = NormalMean(50, 0.5, 49.0)
    assert more_needed(lambda factor: p_values(seen.repeated(factor), -0.5, 0.5), 1e-5) is None
    assert more_needed(lambda factor: PValues(1.0, 1.0 if factor < FARTHEST else 0.0), 1e-5) is not None


def test_a_spent_budget_is_inconclusive_and_unfinished_rows_count():
    assert verdicts([PValues(0.4, 0.6)], 0.05, 1) == [Verdict.INCONCLUSIVE]
    assert verdicts([PValues(0.02, 1.0)], 0.05, 1) == [Verdict.SUPPORTED]
    assert verdicts([PValues(0.02, 1.0)], 0.05, 2) == [Verdict.INCONCLUSIVE]
    assert verdicts([PValues(1.0, 1e-9), PValues(1e-9, 1e-9)], 0.05, 2) == [Verdict.REFUTED, Verdict.INCONCLUSIVE]


@pytest.mark.parametrize(
    "changes", [{"first": 1}, {"most": 3}, {"step": 0}, {"trials": 0}, {"effort": 0.0}, {"level": 1}]
)
def test_a_profile_that_cannot_be_followed_is_refused(changes):
    whole = {"name": "x", "first": 4, "step": 1, "most": 8, "effort": 1.0, "trials": 1, "level": 0.1}
    with pytest.raises(ValueError, match="must be"):
        Profile(**(whole | changes))
