"""A run of claims: what its rows are, and that they depend on nothing but the seed."""

import json
import math
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lemmata.papers.engine.blocks import NOISELESS
from lemmata.papers.engine.campaign import run
from lemmata.papers.engine.claim import Agreed, BoundedDraws, Case, Claim, FalseVariant, Relation, Sighting
from lemmata.papers.engine.profile import PROFILES, Profile
from lemmata.papers.engine.report import as_json, closing, table
from lemmata.papers.engine.row import examine
from lemmata.papers.engine.verdict import PValues, Verdict, verdicts
from lemmata.theory.estimate import Estimate
from lemmata.theory.normal_mean import NormalMean
from lemmata.theory.streams import stream

SMALL = Profile("small", first=8, step=8, most=56, effort=1.0, trials=400, level=1e-3)
STRICT = {"parse_constant": lambda word: pytest.fail(f"{word} is not JSON")}


def square_claim(**changes) -> Claim:
    """The mean square of a normal variable is its variance; local functions reach the workers by value."""

    def simulate(case, rng, effort):
        draws = case.arguments["variance"] * rng.standard_normal(round(500 * effort)) ** 2
        return Estimate(draws.mean(), draws.std() / len(draws) ** 0.5, len(draws), float(len(draws)), "squares")

    claim = Claim(
        name="second-moment",
        paper="gauss",
        place="page 1",
        sentence="The mean square is the variance.",
        relation=Relation.EQUALS,
        theory=lambda variance: variance,
        simulate=simulate,
        cases=(Case("one", {"variance": 1.0}), Case("two", {"variance": 2.0})),
        tolerance=lambda variance: 0.1 * variance,
        remainder="how near is near enough",
        false_variants=(FalseVariant("half as much again", lambda variance: 1.5 * variance),),
    )
    return replace(claim, **changes)


def square_search(bound: float) -> Claim:
    """A square of a uniform number never exceeds the bound."""

    def simulate(case, rng, effort):
        x = rng.random()
        return Sighting(x * x, {"x": x})

    return Claim(
        name="square",
        paper="gauss",
        place="page 2",
        sentence="The square stays below the bound.",
        relation=Relation.NEVER_EXCEEDS,
        theory=lambda x: bound,
        simulate=simulate,
        cases=(Case("uniform", {}),),
        tolerance=0.0,
        remainder="nothing",
        false_variants=(FalseVariant("half the bound", lambda x: bound / 2),),
    )


def without_time(campaign):
    return [replace(row, seconds=0.0) for row in campaign.rows], campaign.verdicts


def test_a_true_claim_is_supported_and_its_false_variant_refuted_by_the_same_draws():
    campaign = run([square_claim()], SMALL, jobs=2)
    assert campaign.verdicts == (Verdict.SUPPORTED, Verdict.SUPPORTED)
    assert all(variant.refuted for row in campaign.rows for variant in row.variants)
    assert campaign.exit_status == 0


def test_rows_are_the_same_to_the_last_bit_whatever_the_number_of_processes():
    claims = [square_claim(), square_search(1.0)]
    one, two = (without_time(run(claims, SMALL, seed=5, jobs=jobs)) for jobs in (1, 2))
    assert one == two
    assert without_time(run(claims, SMALL, seed=6, jobs=2)) != two


def test_a_false_claim_is_refuted():
    campaign = run([square_claim(theory=lambda variance: 1.5 * variance)], SMALL, jobs=2)
    assert campaign.verdicts == (Verdict.REFUTED, Verdict.REFUTED)
    assert campaign.exit_status == 1


@pytest.mark.parametrize(
    ("relation", "factor", "verdict"),
    [
        (Relation.AT_MOST, 1.2, Verdict.SUPPORTED),
        (Relation.AT_MOST, 0.7, Verdict.REFUTED),
        (Relation.AT_LEAST, 0.8, Verdict.SUPPORTED),
        (Relation.AT_LEAST, 1.3, Verdict.REFUTED),
    ],
)
def test_a_one_sided_claim_is_judged_by_its_side(relation, factor, verdict):
    claim = square_claim(relation=relation, theory=lambda variance: factor * variance)
    assert set(run([claim], SMALL, jobs=2).verdicts) == {verdict}


def test_a_spent_budget_is_inconclusive_and_more_budget_changes_that():
    claim = square_claim(tolerance=lambda variance: 0.04 * variance)
    short = run([claim], replace(SMALL, most=8), jobs=2)
    assert short.exit_status == 2
    assert all("times the draws would probably decide it" in closing(short) for row in short.rows)
    assert run([claim], replace(SMALL, effort=30.0), jobs=2).exit_status == 0


def test_a_violation_refutes_and_can_be_replayed():
    claim = square_search(0.999)
    (row,) = run([claim], SMALL, jobs=2).rows
    campaign = run([claim], SMALL, jobs=2)
    assert campaign.verdicts == (Verdict.REFUTED,)
    assert row.seen.violations > 0
    again = claim.simulate(claim.cases[0], stream(*row.seen.key), SMALL.effort)
    assert again.arguments == row.seen.arguments
    assert again.value - 0.999 == row.seen.worst > 0


def test_a_search_without_violation_is_supported_and_its_false_variant_refuted():
    campaign = run([square_search(1.0)], SMALL, jobs=2)
    assert campaign.verdicts == (Verdict.SUPPORTED,)
    assert campaign.rows[0].variants[0].refuted


@pytest.mark.parametrize(
    ("simulate", "words"),
    [
        (lambda case, rng, effort: 1 / 0, "ZeroDivisionError"),
        (lambda case, rng, effort: Estimate(math.nan, 1.0, 1, 1.0, ""), "finite mean"),
        (lambda case, rng, effort: 1.0, "must return an Estimate like its first block, got float"),
        (lambda case, rng, effort: Sighting(1.0, {}), "must return an Estimate or BoundedDraws, got a Sighting"),
    ],
)
def test_a_broken_simulation_is_inconclusive_with_its_reason_and_spares_the_other_rows(simulate, words):
    broken = square_claim(name="broken", simulate=simulate)
    campaign = run([broken, square_claim()], SMALL, jobs=2)
    assert campaign.verdicts == (Verdict.INCONCLUSIVE,) * 2 + (Verdict.SUPPORTED,) * 2
    assert campaign.exit_status == 2
    assert words in campaign.rows[0].failure
    assert words in closing(campaign)


def test_an_interrupted_run_keeps_what_was_finished():
    def interrupt(row):
        raise KeyboardInterrupt

    campaign = run([square_claim()], SMALL, jobs=1, on_row=interrupt)
    assert campaign.interrupted
    assert campaign.exit_status == 130
    assert len(campaign.rows) == 1
    assert "1 not finished" in closing(campaign)


def test_an_interrupted_run_kills_the_rows_under_way(tmp_path):
    trace = tmp_path / "lived on"

    def interrupt(row):
        raise KeyboardInterrupt

    def linger(case, rng, effort):
        time.sleep(4.0)
        trace.touch()
        return Estimate(1.0, 1.0, 1, 1.0, "sleep")

    slow = square_claim(name="slow", cases=(Case("one", {"variance": 1.0}),), simulate=linger)
    campaign = run([slow, square_claim()], SMALL, jobs=2, on_row=interrupt)
    assert [row.claim for row in campaign.rows] == ["second-moment"]
    time.sleep(5.0)
    assert not trace.exists()


def test_json_is_strict_and_says_what_the_table_says():
    campaign = run([square_claim(), square_search(0.999)], SMALL, jobs=2)
    data = json.loads(as_json(campaign), **STRICT)
    assert [row["verdict"] for row in data["rows"]] == list(campaign.verdicts)
    assert data["rows"][0]["seen"]["mean"] == campaign.rows[0].seen.mean
    assert data["rows"][2]["seen"]["worst_stream"] == list(campaign.rows[2].seen.key)
    assert table(campaign).row_count == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Second moment"}, "name must be a slug"),
        ({"cases": ()}, "at least one"),
        ({"cases": (Case("one", {}), Case("one", {}))}, "distinct names"),
        ({"false_variants": ()}, "a check that cannot fail"),
        ({"false_variants": (FalseVariant("x", lambda variance: 0.0, ("three",)),)}, "must name cases"),
    ],
)
def test_a_claim_that_could_not_be_tested_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        square_claim(**changes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"claims": []}, "claims must be at least one"),
        ({"claims": [square_claim(), square_claim()]}, "distinct"),
        ({"claims": [square_claim()], "seed": -1}, r"seed must be an integer >= 0 and below 2\^63, got -1"),
        ({"claims": [square_claim()], "jobs": 0}, "jobs must be >= 1, got 0"),
    ],
)
def test_a_run_that_could_not_be_made_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        run(profile=PROFILES["quick"], **arguments)


def test_a_negative_tolerance_is_refused():
    campaign = run([square_claim(tolerance=-1.0)], SMALL, jobs=1)
    assert "must be >= 0" in campaign.rows[0].failure


def of(simulate, **changes):
    """The row of one case with another simulation."""
    claim = square_claim(simulate=simulate, cases=(Case("one", {"variance": 1.0}),), **changes)
    return examine(claim, claim.cases[0], 0, SMALL, 1e-4)


def test_blocks_that_all_agree_say_nothing_unless_they_say_that_there_is_no_noise():
    def estimate(case, rng, effort):
        return Estimate(1.0, 0.0, 1, 1.0, "a rare value unseen")

    silent = of(estimate)
    assert silent.p == PValues(1.0, 1.0)
    exact = of(lambda case, rng, effort: Agreed(1.0, 1e-9, "no noise"))
    assert (exact.p, exact.sequence) == (PValues(0.0, 1.0), NOISELESS)
    assert exact.variants[0].refuted
    assert of(lambda case, rng, effort: Agreed(1.2, 1e-9, "no noise")).p == PValues(1.0, 0.0)
    assert of(lambda case, rng, effort: Agreed(1.05, 0.1, "coarse")).p == PValues(1.0, 1.0)
    moving = of(lambda case, rng, effort: Agreed(1.0 + 1e-3 * rng.random(), 1e-9, "noise after all"))
    assert "must agree" in moving.failure


def test_a_row_knows_its_interval_its_error_and_its_skewness():
    def simulate(case, rng, effort):
        return Estimate(1.0 + 0.05 * (rng.standard_exponential() - 1), 0.1, 1, 1.0, "exponential")

    row = of(simulate)
    values = np.array([block.value for block in row.blocks])
    n, squares = len(values), ((values - values.mean()) ** 2).sum()
    assert row.seen.error == pytest.approx(values.std(ddof=1) / n**0.5, rel=1e-9)
    assert row.interval == pytest.approx(NormalMean(n, values.mean(), squares).interval(1 - 2e-4), rel=1e-9)
    assert row.skewness == pytest.approx(stats.skew(values), rel=1e-9)
    assert row.more is None
    assert row.p.supported <= 1e-4


def test_every_case_draws_from_a_stream_of_its_own():
    claim = square_claim(cases=(Case("one", {"variance": 1.0}), Case("again", {"variance": 1.0})))
    first, second = run([claim], SMALL, executor="serial").rows
    assert first.blocks[0].value != second.blocks[0].value


def test_a_search_allows_for_the_tolerance():
    assert run([replace(square_search(0.999), tolerance=0.01)], SMALL, executor="serial").verdicts == (
        Verdict.SUPPORTED,
    )


def test_a_range_that_changes_is_a_failure():
    def simulate(case, rng, effort):
        return BoundedDraws(10, 0.5, 0.1, 0.0, 1.0 + rng.random(), "a range that moves")

    assert "must return BoundedDraws in [0.0," in of(simulate).failure


def test_a_variant_that_fails_leaves_the_row_undecided():
    def broken(variance):
        raise RuntimeError("no such theory")

    row = of(square_claim().simulate, false_variants=(FalseVariant("broken", broken),))
    assert "no such theory" in row.failure
    assert row.p == PValues(1.0, 1.0)


def test_a_simulation_that_leaves_the_program_is_a_failure_like_any_other():
    row = of(lambda case, rng, effort: sys.exit(0))
    assert "SystemExit" in row.failure


def test_a_counterexample_refutes_however_rare_such_inputs_seemed():
    assert verdicts([PValues(7e-4, 0.0)], 1e-3, 1) == [Verdict.REFUTED]


def test_a_claim_that_cannot_be_sent_is_refused_in_one_sentence():
    lock = threading.Lock()
    with pytest.raises(ValueError, match="claims must be such that they and their rows can be sent"):
        run([square_claim(remainder=lock)], SMALL, jobs=1)
