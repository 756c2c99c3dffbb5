"""The simulated sides of the claims about the entropy of mixtures are right, and know nothing of what they test."""

import json
import math
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import chi, chi2

from lemmata.papers import entropy_approximation, pairwise_distances
from lemmata.papers.engine.blocks import BoundedMean, Means
from lemmata.papers.engine.claim import Agreed, BoundedDraws, Relation
from lemmata.papers.sampled_gap import line_gap, random_line
from lemmata.theory.entropy import GaussianMixture, equal_covariance_gap, overlap, pair_gap, separation
from lemmata.theory.streams import stream

CLAIMS = {claim.name: claim for claim in (*entropy_approximation.CLAIMS, *pairwise_distances.CLAIMS)}
ROWS = [(claim, case) for claim in CLAIMS.values() for case in claim.cases]
MEANS = [(claim, case) for claim, case in ROWS if claim.relation is not Relation.NEVER_EXCEEDS]
TABLE = tomllib.loads((Path(__file__).parents[1] / "reference" / "entropy.toml").read_text())


def combined(blocks):
    """What the blocks say together."""
    bounded = isinstance(blocks[0], BoundedDraws)
    seen = BoundedMean(blocks[0], 1e-3, len(blocks)) if bounded else Means()
    for block in blocks:
        seen.add(block)
    return seen.estimate


def seen(name, case, blocks=60):
    """The simulated mean of a claim at a case, with its error."""
    claim = CLAIMS[name]
    where = next(known for known in claim.cases if known.name == case)
    return combined(
        [claim.simulate(where, stream(7, name, case, block), 1.0) for block in range(blocks)]
    ), where.arguments


@pytest.mark.parametrize("row", TABLE["line"])
def test_quadrature_on_the_line_meets_the_reference(row):
    assert line_gap(row["weights"], row["means"], row["deviations"]) == pytest.approx(row["gap"], abs=2e-12)


def test_quadrature_on_the_line_meets_the_pair_integral_and_its_own_finer_grid(monkeypatch):
    rng = np.random.default_rng(1)
    for _ in range(200):
        two, three = random_line(rng, 2), random_line(rng, 3)
        mixture = GaussianMixture(two["weights"], np.array(two["means"])[:, None], np.array(two["deviations"]) ** 2)
        assert line_gap(**two) == pytest.approx(pair_gap(mixture, 0, 1), abs=2e-12)
        coarse = line_gap(**three)
        with monkeypatch.context() as finer:
            finer.setattr("lemmata.papers.sampled_gap.NODES", 40)
            assert line_gap(**three) == pytest.approx(coarse, abs=2e-12)


def test_no_mean_that_is_simulated_comes_from_the_pair_integral_or_a_bound(monkeypatch):
    def forbidden(*arguments):
        raise AssertionError("the theory was asked")

    for module, name in (("pair_gap", "sided_integrals"), ("separation", "pair_spectra"), ("overlap", "pair_spectra")):
        monkeypatch.setattr(sys.modules[f"lemmata.theory.entropy.{module}"], name, forbidden)
    for claim, case in MEANS:
        block = claim.simulate(case, stream(1, claim.name), 0.1)
        assert math.isfinite(block.value if isinstance(block, Agreed) else block.mean)
    with pytest.raises(AssertionError, match="asked"):
        CLAIMS["two-components"].theory_at(CLAIMS["two-components"].cases[0].arguments)


# from here on, each comparison at 4.5 standard errors of 60 blocks errs for one seed in 30 000; seeds are fixed


@pytest.mark.parametrize("case", ["line", "unequal deviations"])
def test_the_simulated_derivative_is_that_of_the_quadrature(case):
    found, at = seen("derivative", case)
    deviations, step = np.sqrt(at["covariances"]), 1e-3
    near, far = (line_gap(at["weights"], [way * step, at["means"][1][0]], deviations) for way in (1, -1))
    assert abs(found.z((near - far) / (2 * step))) < 4.5


def test_the_simulated_derivative_in_space_is_that_of_the_plane_of_the_means():
    found, at = seen("derivative", "three in space")
    sides = []
    for way in (1, -1):
        means = np.array(at["means"])[:, :2]
        means[0, 0] += way * 1e-3
        sides.append(equal_covariance_gap(GaussianMixture(at["weights"], means, at["covariances"])))
    assert abs(found.z((sides[0] - sides[1]) / 2e-3)) < 4.5


def gap_at(distance):
    return line_gap([0.5, 0.5], [0.0, distance], [1.0, 1.0])


@pytest.mark.parametrize(("case", "dimension"), [("2 in 10 dimensions", 10), ("2 in 100 dimensions", 100)])
def test_the_simulated_mean_gap_is_the_integral_over_the_law_of_the_distance(case, dimension):
    found, at = seen("random-means", case)
    law = chi(dimension, scale=math.sqrt(2) * at["spread"])  # of the distance in deviations
    exact, _ = quad(lambda d: law.pdf(d) * gap_at(d), *law.ppf([1e-14, 1 - 1e-14]), epsabs=1e-9, limit=200)
    assert abs(found.z(exact)) < 4.5


@pytest.mark.parametrize(("case", "dimension"), [("3 dimensions", 3), ("8 dimensions", 8), ("20 dimensions", 20)])
def test_the_simulated_tail_is_that_of_the_law_of_the_distance(case, dimension):
    found, at = seen("random-means-tail", case)
    nearest = brentq(lambda d: gap_at(d) - at["threshold"], 1e-3, 40.0)
    assert abs(found.z(chi2.cdf(nearest**2 / (2 * at["spread"] ** 2), dimension))) < 4.5


def test_the_simulated_entropy_and_gap_add_to_the_approximation_for_three_components():
    (row,) = [row for row in TABLE["line"] if len(row["weights"]) == 3]
    at = {
        "weights": row["weights"],
        "means": np.array(row["means"])[:, None],
        "covariances": np.square(row["deviations"]),
    }
    case = type(CLAIMS["entropy"].cases[0])("three", at)
    for name, exact in (("entropy", row["entropy"]), ("two-components", row["gap"])):
        found = combined([CLAIMS[name].simulate(case, stream(3, name, block), 1.0) for block in range(60)])
        assert abs(found.z(exact)) < 4.5


# ---- cases


@pytest.mark.parametrize(("claim", "case"), ROWS, ids=[f"{claim.name}-{case.name}" for claim, case in ROWS])
def test_a_case_that_was_written_can_be_read_again(claim, case):
    arguments = case.arguments
    if claim.relation is Relation.NEVER_EXCEEDS:
        arguments = claim.simulate(case, stream(2, claim.name), 1.0).arguments
    again = json.loads(json.dumps(dict(arguments), allow_nan=False))
    assert claim.theory_at(again) == claim.theory_at(arguments)


NOISY = [(claim, case) for claim, case in MEANS if claim.name != "gap-limits"]  # the others are without noise


@pytest.mark.parametrize(("claim", "case"), NOISY, ids=[f"{claim.name}-{case.name}" for claim, case in NOISY])
def test_twice_the_effort_is_twice_the_draws(claim, case):
    blocks = [claim.simulate(case, stream(4, claim.name), effort) for effort in (0.5, 1.0)]
    one, two = (block.count if isinstance(block, BoundedDraws) else block.draws for block in blocks)
    assert two == 2 * one


SENT = """
import runpy, sys
from joblib.externals.loky.backend.reduction import dumps
import lemmata.papers.engine.script
def send(paper, claims):
    with open(sys.argv[2], "wb") as file:
        file.write(dumps(claims))
lemmata.papers.engine.script.main = send
runpy.run_module(f"lemmata.papers.{sys.argv[1]}", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("paper", ["entropy_approximation", "pairwise_distances"])
def test_the_claims_of_a_script_can_be_sent_to_other_processes(paper, tmp_path):
    # as a script the module is no module that the others could import
    subprocess.run([sys.executable, "-W", "error", "-c", SENT, paper, str(tmp_path / "claims")], check=True)
    for claim in pickle.loads((tmp_path / "claims").read_bytes()):
        case = claim.cases[-1]
        arguments = case.arguments
        if claim.relation is Relation.NEVER_EXCEEDS:
            arguments = claim.simulate(case, stream(8, claim.name), 1.0).arguments
        assert claim.theory_at(arguments) == CLAIMS[claim.name].theory_at(arguments)


def test_every_link_of_the_order_is_tried():
    claim = CLAIMS["order"]
    tried = [claim.simulate(claim.cases[0], stream(5, "order", i), 1.0).arguments for i in range(400)]
    assert {(at["smaller"], at["larger"]) for at in tried} == set(pairwise_distances.LINKS)
    assert {len(at["weights"]) for at in tried} == {2, 3}


def test_what_looks_like_a_false_variant_of_the_separation_bound_holds_as_well():
    # BC <= exp(-yᵀ(Σ_k+Σ_j)⁻¹y/4), y = μ_k - μ_j, and yᵀ(Σ_k+Σ_j)⁻¹y >= d²/(1+‖Σ_k^-½Σ_j^½‖²) >= α²;
    # log 2 exp(-α²/4) could stand for 2(1-s)^{-m/4} exp(-sα²/4), and to leave the dimension out is no mistake
    rng = np.random.default_rng(6)
    for _ in range(300):
        m = int(rng.integers(1, 7))
        roots = rng.standard_normal((2, m, m)) * np.exp(rng.standard_normal((2, m, 1)))
        covs = roots @ roots.transpose(0, 2, 1) + 1e-2 * np.eye(m)
        means = rng.standard_normal((2, m)) * np.exp(2 * rng.standard_normal())
        mixture = GaussianMixture([0.5, 0.5], means, covs, kind="full")
        assert overlap(mixture).log_bhattacharyya[0, 1] <= -(separation(mixture).max() ** 2) / 4 + 1e-9
