"""Level S: the norm shrinks along simulated pairs, wrong certificates are caught, the file proves itself again."""

import copy
import json
import math

import numpy as np
import pytest

from lemmata.sim.resilience import worst_case
from lemmata.theory.resilience import Box, Certificate, GRUCell, LSTMCell, Stack, certify, recovery_time_bound
from lemmata.theory.resilience.box import symmetric_box
from lemmata.theory.resilience.interval import Interval, interval
from lemmata.theory.resilience.reachable_set import STAGE
from lemmata.theory.resilience.recovery import deviation_bounds
from lemmata.theory.resilience.structured_level import (
    holds,
    inequality,
    least_eigenvalue,
    secant_slopes,
    structured_systems,
)
from lemmata.theory.resilience.structured_proof import StructuredProof, prove_from_box, prove_reachable

ROUNDING = 1e-9  # of float runs in a norm whose condition is below 1e6


def fresh(seed, n=4, m=2):
    """Weights as torch draws them, uniform within ± 1/√n."""
    rng = np.random.default_rng(seed)
    width = 1 / np.sqrt(n)
    return LSTMCell(
        rng.uniform(-width, width, (4 * n, m)),
        rng.uniform(-width, width, (4 * n, n)),
        rng.uniform(-width, width, (2, 4 * n)).sum(0),
    )


def small():
    return LSTMCell([[0.5], [0.25], [1], [0.5]], [[0.25], [-0.2], [-0.3], [0.2]], [0, -0.5, 0.25, 0])


def box(bound, m=2):
    return interval(symmetric_box("input_bound", bound, m))


def rest(cell):
    return Interval(np.zeros(2 * cell.units), np.zeros(2 * cell.units))


def norms(proof, x):
    """‖x‖_P of differences (N, 2n)."""
    return np.sqrt(np.einsum("ki,ij,kj->k", x, proof.norm, x))


@pytest.fixture(scope="module")
def eight():
    """n = 8 under |u| <= 0.5, from the states reachable from rest."""
    cell = fresh(0, 8)
    return cell, prove_reachable(cell, box(0.5), box(0.5), rest(cell))


def pairs(cell, rng, bound, runs, steps, twins=False):
    """Differences of pairs, (steps + 1, runs, 2n): under inputs of their own for 40 steps, then under common ones."""
    x = np.zeros((2, runs, 2, cell.units))
    for _ in range(40):
        u = bound * np.sign(rng.standard_normal((2, runs, cell.inputs)))
        x = np.stack([cell.step(x[k], u[k]) for k in (0, 1)])
    if twins:
        x[1] = x[0] + 1e-5 * rng.standard_normal(x[0].shape)
    u = bound * np.sign(rng.standard_normal((runs, cell.inputs)))
    out = [x[1] - x[0]]
    for _ in range(steps):
        u = np.where(rng.random((runs, 1)) < 0.6, u, bound * rng.uniform(-1, 1, u.shape))
        x = np.stack([cell.step(x[k], u) for k in (0, 1)])
        out.append(x[1] - x[0])
    return np.array(out).reshape(steps + 1, runs, -1)


@pytest.mark.parametrize("twins", [False, True])
def test_every_step_of_a_pair_shrinks_the_norm_by_the_rate_of_its_stage(eight, twins):
    cell, proof = eight
    d = pairs(cell, np.random.default_rng(1), 0.5, 400, 80, twins)
    size = np.array([norms(proof, x) for x in d])
    for t in range(80):
        assert (size[t + 1] <= proof.rates[proof.stage(t)] * size[t] * (1 + ROUNDING) + 1e-15).all()
    assert (size[11:20] / size[10:19]).max() > 0.75 * proof.rates[-1]  # the rate is of the right size


def test_jacobians_at_visited_states_lie_in_the_slopes_and_shrink_the_norm(eight):
    cell, proof = eight
    rng, n = np.random.default_rng(2), cell.units
    x = np.zeros((30, 2, n))
    for _ in range(proof.steps + 5):
        u = 0.5 * np.sign(rng.standard_normal((30, 2)))
        x, before = cell.step(x, u), x
    L = np.linalg.cholesky(proof.norm).T
    rates = secant_slopes(proof.stages[-1])
    h = 1e-6
    for k in range(30):
        J = np.empty((2 * n, 2 * n))
        for j in range(2 * n):
            e = np.zeros(2 * n)
            e[j] = h
            e = e.reshape(2, n)
            J[:, j] = (cell.step(before[k] + e, u[k]) - cell.step(before[k] - e, u[k])).ravel() / (2 * h)
        assert np.linalg.norm(L @ J @ np.linalg.inv(L), 2) <= proof.rates[-1] * (1 + 1e-6)  # differences: h² = 1e-12
        f, D = np.diagonal(J[:n, :n]), np.diagonal(J[n:, :n]) / np.diagonal(J[:n, :n])
        for seen, slope in ((f, rates.f), (D, rates.D)):
            assert (slope.lower - 1e-8 <= seen).all()
            assert (seen <= slope.upper + 1e-8).all()


@pytest.mark.parametrize("seed", range(3))
def test_any_slopes_within_their_intervals_shrink_the_norm(seed, eight):
    """The statement of theorem 19 itself, with slopes at random ends instead of those of the network."""
    cell, proof = eight
    rng, n = np.random.default_rng(seed), cell.units
    rates = secant_slopes(proof.stages[-1])
    L = np.linalg.cholesky(proof.norm).T
    Ri, Rf, Rg, Ro = np.split(cell.weight_hh, 4)
    for _ in range(40):
        ends = rng.random((6, n)).round()
        f, a, b, d, D, q = (
            s.lower + e * (s.upper - s.lower)
            for s, e in zip((rates.f, rates.a, rates.b, rates.d, rates.D, rates.q), ends, strict=True)
        )
        top = np.hstack([np.diag(f), a[:, None] * Rf + b[:, None] * Ri + d[:, None] * Rg])
        low = D[:, None] * top + np.hstack([np.zeros((n, n)), q[:, None] * Ro])
        assert np.linalg.norm(L @ np.vstack([top, low]) @ np.linalg.inv(L), 2) <= proof.rates[-1] * (1 + 1e-10)


def test_a_rate_a_norm_or_multipliers_that_are_slightly_wrong_do_not_hold(eight):
    cell, proof = eight
    systems = structured_systems(cell, secant_slopes(proof.stages[-1]))
    P, T, rate = proof.norm, proof.multipliers, float(proof.rates[-1])
    assert holds(systems, P, T, rate)
    assert not holds(systems, P, T, 0.98 * rate)
    assert not holds(systems, P, 0.2 * T, rate)
    assert not holds(systems, P, 5 * T, rate)
    assert not holds(systems, np.eye(16), T, rate)
    assert not holds(systems, -P, T, rate)
    bent = P.copy()
    bent[0, 0] *= 1.5
    assert not holds(systems, bent, T, rate)
    wider = structured_systems(cell, secant_slopes(proof.stages[0]))
    assert not holds(wider, P, T, rate)  # the slopes of an earlier set
    for change in ({"norm": bent}, {"multipliers": -T}, {"rates": 0.98 * proof.rates}, {"norm": np.eye(2)}):
        values = {"norm": P, "multipliers": T, "rates": proof.rates, **change}
        assert not StructuredProof(proof.whole, proof.stages, **values).checks(cell)


def test_the_proved_eigenvalue_is_below_the_true_one_and_its_error_counts():
    rng = np.random.default_rng(0)
    for m in (3, 20, 60):
        Q = np.linalg.qr(rng.standard_normal((m, m)))[0]
        scale = 10 ** rng.uniform(-6, 6, m)
        values = np.geomspace(1e-3, 1, m)
        N = (Q * values) @ Q.T
        N = 0.5 * (N + N.T)
        low, s = least_eigenvalue(N * scale[:, None] * scale, np.zeros((m, m)), scale**2)
        exact = np.linalg.eigvalsh(N * (scale * s)[:, None] * (scale * s))[0]
        assert 0.3 * exact < low <= exact
        error = np.full((m, m), 2e-3 / m)
        assert least_eigenvalue(N, error, np.ones(m))[0] < -1e-4  # the error may take 2e-3 away from 1e-3
    assert least_eigenvalue(np.diag([1.0, -1e-9]), np.zeros((2, 2)), np.ones(2))[0] < 0
    assert least_eigenvalue(np.full((2, 2), np.nan), np.zeros((2, 2)), np.ones(2))[0] == -np.inf


def test_the_inequality_is_the_one_of_the_quadratic_forms(eight):
    cell, proof = eight
    system, _ = structured_systems(cell, secant_slopes(proof.stages[-1]))
    rng = np.random.default_rng(3)
    N = inequality(system, proof.norm, proof.multipliers, 0.9)
    for _ in range(5):
        x, w = rng.standard_normal(16), rng.standard_normal(48)
        new, y = system.A @ x + system.B @ w, system.C @ x + system.E @ w
        form = 0.81 * x @ proof.norm @ x - new @ proof.norm @ new + proof.multipliers @ (w**2 - y**2)
        v = np.concatenate([x, w])
        assert v @ N @ v == pytest.approx(form, rel=1e-9, abs=1e-9)


def test_sizes_and_outputs_bound_what_the_norm_allows(eight):
    _, proof = eight
    rng = np.random.default_rng(4)
    width = rng.random(16)
    x = width * np.sign(rng.standard_normal((2000, 16)))
    assert norms(proof, x).max() <= proof.size(width)
    rows = rng.standard_normal((3, 16))
    best = np.sqrt(np.einsum("ki,ij,kj->k", rows, np.linalg.inv(proof.norm), rows)).max()
    assert best <= proof.output_norm(rows) <= best * (1 + 1e-6)
    assert proof.size(np.zeros(16)) == 0


@pytest.mark.parametrize(("seed", "bound", "anomaly"), [(0, 0.25, 1.0), (1, 0.25, 0.5), (2, 0.5, 0.5)])
def test_no_pair_from_the_boxes_recovers_later_than_the_bound_of_a_proof_from_the_box(seed, bound, anomaly):
    cell = fresh(seed, 3)
    cert = certify(cell, bound, anomaly, levels=("S",))
    assert cert.status == "certified"
    assert not cert.reachable_only
    for epsilon in (0.1, 0.01):
        steps = recovery_time_bound(cert, epsilon).value
        assert steps < 500
        seen = worst_case(
            cell,
            cert.input_box,
            epsilon,
            nominal_states=cert.nominal.interval.box(),
            perturbed_states=cert.anomaly.interval.box(),
            horizon=int(steps) + 3,
            searches=1,
            rounds=12,
            seed=seed,
        )
        assert 0 < seen.recovery_time <= steps


@pytest.mark.parametrize(("seed", "n", "anomaly"), [(0, 8, 0.5), (1, 8, 0.6), (2, 16, 0.5)])
def test_no_anomaly_from_rest_recovers_later_than_the_bound_for_reachable_states(seed, n, anomaly):
    rng, cell = np.random.default_rng(seed), fresh(seed, n)
    cert = certify(cell, 0.5, anomaly, levels=("S",))
    assert cert.status == "certified"
    assert cert.reachable_only
    recovery = recovery_time_bound(cert, 0.01)
    assert recovery.value == math.inf  # nothing is said of the boxes
    assert recovery.level is None
    x = np.zeros((2, 300, 2, n))
    for _ in range(60):
        u = np.sign(rng.standard_normal((300, 2)))
        x = np.stack([cell.step(x[0], 0.5 * u), cell.step(x[1], anomaly * np.sign(rng.standard_normal((300, 2))))])
    bounds = deviation_bounds(cert, "S", 100)
    e = []
    for _ in range(101):
        e.append(np.abs(x[1, :, 1] - x[0, :, 1]).max())
        u = 0.5 * np.sign(rng.standard_normal((300, 2)))
        x = np.stack([cell.step(x[k], u) for k in (0, 1)])
    assert (np.array(e) <= bounds).all()
    last = np.flatnonzero(np.array(e) > 0.01)[-1] + 1
    assert 0 < last <= recovery.reachable_value < 400


@pytest.mark.parametrize("seed", range(4))
def test_a_fresh_network_of_eight_units_is_certified_where_no_other_level_does(seed):
    cert = certify(fresh(seed, 8), 0.5)
    certified = [name for name, result in cert.levels.items() if result.certified]
    assert certified == ["S"]
    assert cert.levels["S"].note == "from states reachable from the initial ones"


def test_stages_only_help_and_the_magnitude_version_is_no_worse():
    cert = certify(fresh(0, 8), 0.5, levels=("S",))
    proof = cert.levels["S"].recovery_structured
    assert proof.steps == STAGE * (len(proof.rates) - 1)
    bounds = deviation_bounds(cert, "S", 200)
    whole = recovery_time_bound(cert, 0.01).reachable_value
    assert recovery_time_bound(cert, 0.001).reachable_value >= whole
    assert bounds[-1] < 1e-3 * bounds[0]
    assert recovery_time_bound(cert, 0.01, anomaly=(0.01, 1)).reachable_value < whole


@pytest.mark.parametrize("cell", [fresh(0, 8), small()])
def test_a_certificate_of_level_s_survives_the_disk(cell, tmp_path):
    cert = certify(cell, 0.5, 0.6, levels=("C", "S"))
    assert cert.levels["S"].reachable == (cell.units == 8)
    cert.save(tmp_path / "c.json")
    again = Certificate.load(tmp_path / "c.json", cell)
    assert again.levels["S"].recovery.rate == cert.levels["S"].recovery.rate
    assert recovery_time_bound(again, 0.01) == recovery_time_bound(cert, 0.01)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "c.json"
    certify(fresh(0, 8), 0.5, 0.6, levels=("S",)).save(path)
    return json.loads(path.read_text())


def entry(document, k=1):
    return document["levels"]["S"]["structured"][k]


def bent_norm(document):
    entry(document)["norm"][0][0] *= 1.5


def skew_norm(document):
    entry(document)["norm"][0][1] += 1e-3


def smaller_multipliers(document):
    entry(document)["multipliers"] = [0.5 * x for x in entry(document)["multipliers"]]


def lower_rates(document):
    entry(document)["rates"][-1] *= 0.98
    document["levels"]["S"]["recovery"]["rate"] *= 0.98


def lower_early_rate(document):
    entry(document)["rates"][0] *= 0.9


def shrunk_bounds(document):
    start = entry(document)["start"]
    start["upper"] = [x - 0.1 * (x - y) for x, y in zip(start["upper"], start["lower"], strict=True)]


def smaller_nominal(document):
    start = entry(document, 0)["start"]
    start["lower"] = [y + 0.1 * (x - y) for x, y in zip(start["upper"], start["lower"], strict=True)]


def from_the_box(document):
    entry(document)["start"] = None


def more_stages(document):
    entry(document)["rates"] = [*entry(document)["rates"][:-1], entry(document)["rates"][-1], 0.1]
    entry(document)["stages"] += 1


def fewer_rows(document):
    entry(document)["start"]["lower"].pop()


def lowered_rate_alone(document):
    document["levels"]["S"]["rate"]["rate"] *= 0.98


def no_proof(document):
    document["levels"]["S"]["structured"] = [None, None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (bent_norm, "a norm and multipliers at level S"),
        (skew_norm, "a norm and multipliers at level S"),
        (smaller_multipliers, "a norm and multipliers at level S"),
        (lower_rates, "a norm and multipliers at level S"),
        (lower_early_rate, "a norm and multipliers at level S"),
        (from_the_box, "a norm and multipliers at level S"),
        (more_stages, "a norm and multipliers at level S"),
        (shrunk_bounds, "bounds at level S that the states never leave"),
        (smaller_nominal, "bounds at level S that the states never leave"),
        (fewer_rows, "96 rows at level S"),
        (lowered_rate_alone, "at level S, nominal: rate"),
        (no_proof, "at level S, nominal: rate"),
    ],
)
def test_a_tampered_proof_is_refused(document, change, words, tmp_path):
    changed = copy.deepcopy(document)
    change(changed)
    (tmp_path / "c.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match=words):
        Certificate.load(tmp_path / "c.json", fresh(0, 8))


def test_level_s_is_left_out_where_it_is_not_defined_or_too_large_or_late():
    gated = GRUCell(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    assert "S" not in certify(gated, 1.0).levels
    assert "S" not in certify(Stack([small(), LSTMCell(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(4))]), 1.0).levels
    large = LSTMCell(np.zeros((260, 1)), np.zeros((260, 65)), np.zeros(260))
    result = certify(large, 1.0, levels=("C", "S")).levels["S"]
    assert (result.certified, result.note) == (False, "not evaluated: more than 64 units")
    late = certify(small(), 1.0, levels=("C", "S"), time_budget=1e-9)
    assert late.levels["S"].note == "time budget of 1e-09 s is over: not evaluated"
    assert recovery_time_bound(late, 0.1).levels["S"].value == math.inf
    forgetful = LSTMCell([[0.0], [0.0], [1.0], [0.0]], np.zeros((4, 1)), [0.0, 800.0, 0.0, 0.0])
    assert certify(forgetful, 1.0, levels=("S",)).rate == math.inf
    wild = LSTMCell([[0], [0], [0.5], [0]], [[0], [0], [3], [0]], [4, 3, 0, 4])  # bistable
    edge = Interval(np.array([-21.0, -0.983]), np.array([21.0, 0.983]))
    assert prove_from_box(wild, edge, box(0.1, 1)) is None
    assert prove_reachable(wild, box(0.1, 1), box(0.1, 1), rest(wild)) is None


def test_without_weights_the_rate_is_that_of_the_forget_gate():
    still = LSTMCell(np.zeros((8, 1)), np.zeros((8, 2)), np.zeros(8))
    result = certify(still, 1.0, levels=("S",)).levels["S"]
    assert 0.5 <= result.rate.rate < 0.52
    assert certify(still, 1.0, 3.0, Box([-1, -1, -0.5, -0.5], [1, 1, 0.5, 0.5]), levels=("S",)).status == "certified"


def test_level_a_alone_builds_no_tube():
    cert = certify(fresh(0, 8), 0.5, levels=("A",))
    assert "tube" not in cert.courses
    assert cert.tube.steps >= 1
    assert "tube" in cert.courses
    assert prove_from_box(fresh(0, 8), cert.anomaly.interval, box(0.5)) is None
