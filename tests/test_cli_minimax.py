"""`lemmata minimax`: what it prints, writes, draws and refuses."""

import math
import re
import subprocess
import sys

import numpy as np
import pytest
from strict_json import strict

from lemmata.cli.dirac_play import play
from lemmata.sim.minimax import dirac_game
from lemmata.theory.minimax import (
    dirac_gan,
    kernel_constants,
    mode_rate,
    optimal_steps,
    outer_smoothness,
    stable,
)
from lemmata.theory.minimax.modes import ALGORITHMS

R1 = ("--penalty", "r1", "--gamma", 0.3)  # case R7 of the references
DIRAC = ("minimax", "dirac")
STEPS = ("minimax", "steps")


# ---- the Dirac-GAN


def test_the_dirac_json_has_the_reference_numbers(lemmata):
    status, out, err = lemmata(*DIRAC, *R1, "--step", 1.0, "--json", "-")
    assert (status, err) == (0, "")
    data = strict(out)
    assert data["verdict"] == "stable"
    assert data["flow"]["behaviour"] == "spiral"
    np.testing.assert_allclose(data["flow"]["eigenvalues"], [[-0.15, 0.476969600708473], [-0.15, -0.476969600708473]])
    assert data["thresholds"]["simultaneous"] == pytest.approx(1.2, rel=1e-14)
    assert data["thresholds"]["alternating"] == pytest.approx(2.97612260356422, rel=1e-14)
    assert (data["best_step"], data["best_rate"]) == pytest.approx((0.6, 0.953939201416946), rel=1e-14)
    assert data["spectral_radius"] == pytest.approx(math.hypot(0.85, 0.476969600708473), rel=1e-12)
    # far from rounding and within 1e-4 of linear, so the growth is that of the eigenvalue
    assert data["near"]["rate"] == pytest.approx(data["spectral_radius"], rel=1e-6)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("step", [0.7, 1.25, 3.2])
def test_verdict_exit_status_and_play_follow_the_threshold(lemmata, algorithm, step):
    status, out, _ = lemmata(*DIRAC, *R1, "--step", step, "--algorithm", algorithm, "--json", "-")
    data, theory = strict(out), dirac_gan("logistic", "r1", 0.3)
    right = "stable" if step < theory.threshold(algorithm) else "unstable"
    assert (data["verdict"], data["near"]["verdict"]) == (right, right)
    assert status == (0 if right == "stable" else 1)
    found = theory.spectrum(algorithm, step, step)
    assert data["spectral_radius"] == found.rate
    assert data["eigenvalues"] == [[z.real, z.imag] for z in found.eigenvalues]
    assert data["thresholds"] == {name: theory.threshold(name) for name in ALGORITHMS}


def test_what_is_printed_is_what_is_written(lemmata, tmp_path):
    words = (*DIRAC, *R1, "--step", 1.0, "--json", tmp_path / "run.json")
    status, out, err = lemmata(*words)
    assert (status, err) == (0, "")
    data = strict((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert "loss logistic, penalty r1, γ = 0.3, simultaneous, h = 1\n" in out
    assert "flow: spirals into 0; eigenvalues −0.15 + 0.47697i, −0.15 − 0.47697i\n" in out
    assert f"spectral radius ρ = {data['spectral_radius']:.12g}" in out
    assert "verdict: stable, half the distance every 27.03 steps" in out
    for name, edge in data["thresholds"].items():
        assert re.search(rf"^{name} +{edge:.6g} +0\.\d+ +stable", out, re.MULTILINE), name
    assert "fastest simultaneous step: h = 0.6, ρ = 0.953939" in out
    distance = data["run"]["distances"]
    assert f"in {data['run']['steps']} steps, distance {distance[0]:.6g} → {distance[1]:.6g}" in out


def test_the_run_starts_where_it_is_told_and_takes_the_steps_it_is_told(lemmata):
    words = ("--loss", "wgan", "--step", 0.5, "--start", -1, 0.25, "--steps", 1, "--json", "-")
    status, out, _ = lemmata(*DIRAC, *words)
    run = strict(out)["run"]
    assert status == 1  # simultaneous steps of the plain game are never stable
    assert (run["start"], run["steps"], run["diverged"]) == ([-1.0, 0.25], 1, False)
    assert run["end"] == [-1.0 - 0.5 * 0.25, 0.25 + 0.5 * -1.0]


def test_without_steps_a_run_shows_three_decades(lemmata):
    run = strict(lemmata(*DIRAC, *R1, "--step", 1.0, "--json", "-")[1])["run"]
    rate = dirac_gan("logistic", "r1", 0.3).spectrum("simultaneous", 1.0, 1.0).rate
    assert run["steps"] == math.ceil(math.log(1e-3) / math.log(rate))
    assert 1e-4 < run["distances"][1] / run["distances"][0] < 1e-2


def test_a_plain_game_cycles_and_says_that_no_step_is_stable(lemmata):
    status, out, _ = lemmata(*DIRAC, "--algorithm", "alternating", "--step", 1)
    assert status == 1
    assert "flow: cycles around 0; eigenvalues 0 + 0.5i, 0 − 0.5i\n" in out
    assert "verdict: marginal\n" in out
    assert re.search(r"^alternating +none \(4\) +1\.000000 +marginal", out, re.MULTILINE)
    data = strict(lemmata(*DIRAC, "--algorithm", "alternating", "--step", 1, "--json", "-")[1])
    assert (data["near"]["verdict"], data["best_step"], data["flow"]["limit"]) == ("undecided", None, None)


@pytest.mark.parametrize(
    ("words", "behaviour", "limit", "said"),
    [
        (("--penalty", "spectral-normalisation"), "drift", "inf", "θ drifts for ever"),
        (("--penalty", "wgan-gp", "--gamma", 2.5, "--norm", 0.8), "wrong_point", 2.0, "beside the data, at |θ| = 2\n"),
        (("--penalty", "wgan_gp", "--gamma", 0.1), "limit_cycle", 4 / math.pi, "of amplitude 1.27324 as γ/c → 0"),
    ],
)
def test_a_game_without_a_linearisation_says_how_it_ends(lemmata, words, behaviour, limit, said):
    more = ("--step", 0.02)
    status, out, err = lemmata(*DIRAC, *words, *more)
    assert (status, err) == (1, "")
    assert said in out
    assert "no linearisation at 0, so no step is stable" in out
    data = strict(lemmata(*DIRAC, *words, *more, "--json", "-")[1])
    assert (data["verdict"], data["flow"]["limit"]) == (behaviour, limit)
    assert data["thresholds"] is data["spectral_radius"] is data["near"] is None
    if behaviour == "wrong_point":
        assert abs(data["run"]["end"][0]) == pytest.approx(2.0, rel=0.02)
    if behaviour == "drift":
        assert data["run"]["end"][1] == 0.3
        assert data["run"]["end"][0] < -20


def test_noise_decay_and_loss_reach_the_theory(lemmata):
    words = ("--noise", 1.2, "--generator-decay", 0.1, "--penalty", "weight-decay", "--gamma", 0.2)
    data = strict(lemmata(*DIRAC, *words, "--json", "-")[1])
    right = dirac_gan("logistic", "weight_decay", 0.2, 1.2, 0.1)
    assert data["flow"]["eigenvalues"] == [[z.real, z.imag] for z in right.eigenvalues]
    other = strict(lemmata(*DIRAC, *words, "--loss", "non-saturating", "--json", "-")[1])
    assert other["thresholds"] == data["thresholds"]
    assert other["run"]["end"] != data["run"]["end"]  # played by its own field


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_linear_game_goes_beyond_its_envelope_and_some_start_attains_it(algorithm):
    """With the wgan payoff and a quadratic penalty the game is linear."""
    theory, game = dirac_gan("wgan", "r1", 0.7), dirac_game("wgan", "r1", 0.7)
    runs = [play(game, theory, algorithm, 0.4, (math.cos(a), math.sin(a)), 30) for a in np.linspace(0, math.pi, 24)]
    ratios = np.array([run.distances / run.bounds for run in runs])
    assert ratios.max() <= 1 + 1e-12
    # the worst start is within π/48 of one of these, which gets at least cos(π/48) = 0.9979 as far
    assert (ratios.max(axis=0) > 1 - 0.0022).all()


# ---- the steps of a kernel critic


@pytest.mark.parametrize("kernel", ["gaussian", "imq", "matern32", "matern52"])
def test_the_steps_json_holds_the_constants_and_best_steps_of_the_theory(lemmata, kernel):
    words = ("--kernel", kernel, "--lengthscale", 0.8, "--ridge", 0.5, "--smallest", 0.05, "--largest", 2)
    status, out, err = lemmata(*STEPS, *words, "--squared-lipschitz", 3, "--curvature", 0.4, "--json", "-")
    assert (status, err) == (0, "")
    data, constants = strict(out), kernel_constants(kernel, 0.8, 0.5)
    finite = {name: value if math.isfinite(value) else "inf" for name, value in vars(constants).items()}
    assert data["constants"] == finite
    smooth = outer_smoothness(constants.alpha, constants.beta1, constants.beta2, 3, 0.4)
    assert (data["smoothness"], data["descent_step"]) == (smooth.smoothness, smooth.step)
    for algorithm in ("simultaneous", "alternating"):
        best, row = optimal_steps(algorithm, 0.05, 2, 0.5), data["steps"][algorithm]
        assert (row["min_step"], row["max_step"], row["rate"]) == (best.min_step, best.max_step, best.rate)
        assert row["rate"] ** row["steps_per_decade"] == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize("algorithm", ["simultaneous", "alternating"])
@pytest.mark.parametrize(("smallest", "largest", "ridge"), [(0.1, 1.0, 0.5), (0.9, 1.0, 2.0), (0.01, 7.0, 0.3)])
def test_the_edges_of_the_steps_are_where_stability_ends(lemmata, algorithm, smallest, largest, ridge):
    words = ("--algorithm", algorithm, "--smallest", smallest, "--largest", largest, "--ridge", ridge)
    row = strict(lemmata(*STEPS, *words, "--json", "-")[1])["steps"][algorithm]
    t = np.linspace(smallest, largest, 50)
    for factor, right in ((1 - 1e-6, True), (1 + 1e-6, False)):
        assert stable(algorithm, factor * row["min_step_below"], 1 / ridge, t, ridge) == right
        assert stable(algorithm, row["min_step"], factor * row["max_step_below"], t, ridge) == right
    # a double root at the ends of the spectrum is known to the square root of rounding
    best = mode_rate(algorithm, row["min_step"], row["max_step"], t, ridge).rate
    assert best == pytest.approx(row["rate"], abs=1e-7)


def test_the_steps_are_printed_with_what_they_mean(lemmata, tmp_path):
    words = ("--ridge", 0.5, "--smallest", 0.1, "--json", tmp_path / "steps.json")
    status, out, _ = lemmata(*STEPS, *words)
    data = strict((tmp_path / "steps.json").read_text(encoding="utf-8"))
    assert status == 0
    for name, value in data["constants"].items():
        word = {"alpha": "α", "beta1": "β₁", "beta2": "β₂", "oscillation": "Δ"}.get(name, name)
        assert re.search(rf"^{word}.* {value:.12g}$", out, re.MULTILINE), name
    assert f"below 2/L = {2 * data['descent_step']:.6g}" in out
    assert "couplings 0.1 ≤ t ≤ 1:" in out
    for name, row in data["steps"].items():
        assert re.search(rf"^{name} +{' +'.join(f'{v:.6g}' for v in row.values())} *$", out, re.MULTILINE), name


def test_the_largest_coupling_grows_with_the_generator(lemmata):
    words = ("--lengthscale", 0.5, "--squared-lipschitz", 3, "--json", "-")
    assert strict(lemmata(*STEPS, *words)[1])["largest"] == 12.0  # A² K1 = 3/ℓ²


def test_couplings_down_to_zero_have_no_common_rate(lemmata):
    status, out, _ = lemmata(*STEPS, "--algorithm", "alternating")
    assert status == 0
    assert "simultaneous" not in out
    assert re.search(r"^alternating +2 +— +— +— +1 +inf *$", out, re.MULTILINE)
    assert "couplings down to 0 have no common rate: give --smallest" in out
    row = strict(lemmata(*STEPS, "--json", "-")[1])["steps"]["alternating"]
    assert (row["min_step"], row["rate"], row["steps_per_decade"]) == (None, 1.0, "inf")


def test_a_kernel_with_a_kink_gives_no_step_and_status_1(lemmata):
    status, out, _ = lemmata(*STEPS, "--kernel", "matern12")
    assert status == 1
    assert "the critic has kinks, so D2 and D3 fail and no step size follows" in out
    status, out, _ = lemmata(*STEPS, "--kernel", "matern12", "--json", "-")
    data = strict(out)
    assert (status, data["constants"]["beta1"], data["descent_step"], data["steps"]) == (1, "inf", None, {})


# ---- pictures


@pytest.mark.parametrize(
    ("words", "suffix"),
    [
        ((*R1, "--step", 1), "png"),
        ((*R1, "--step", 1.4), "svg"),
        (("--loss", "wgan", "--steps", 5000), "png"),  # leaves all bounds
        (("--penalty", "wgan-gp", "--gamma", 0.3, "--step", 0.01), "pdf"),
        (("--penalty", "wgan-gp", "--gamma", 2.5, "--step", 0.05), "png"),
        (("--penalty", "spectral-normalisation"), "png"),
        (("--penalty", "r1", "--gamma", 1, "--step", 2), "png"),  # at rest after two steps
        ((*R1, "--start", 0, 0), "png"),
        ((*R1, "--steps", 0), "svg"),
    ],
    ids=["stable", "unstable", "diverged", "cycle", "wrong point", "drift", "dead beat", "at rest", "no step"],
)
def test_a_picture_is_drawn_of_any_game(lemmata, tmp_path, words, suffix):
    picture = tmp_path / f"game.{suffix}"
    _, _, err = lemmata(*DIRAC, *words, "--plot", picture)
    assert err == ""
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(begins)
    assert picture.stat().st_size > 8_000


def test_the_picture_shows_the_run_the_envelope_and_the_rate():
    from matplotlib.figure import Figure

    from lemmata.cli.dirac_picture import draw_distances, draw_plane

    theory = dirac_gan("wgan", "r1", 0.3)
    played = play(dirac_game("wgan", "r1", 0.3), theory, "alternating", 0.5, (0.4, 0.3), 80)
    rate = theory.spectrum("alternating", 0.5, 0.5).rate
    left, right = Figure().subplots(1, 2)
    draw_distances(played, theory, rate, left)
    lines = {line.get_label(): line.get_ydata() for line in left.lines}
    (above,) = (y for label, y in lines.items() if label.startswith("linearised game"))
    (slope,) = (y for label, y in lines.items() if "rho" in label)
    np.testing.assert_allclose(lines["simulated"], played.distances)
    assert (lines["simulated"] <= above * (1 + 1e-12)).all()
    np.testing.assert_allclose(slope, 0.5 * rate ** np.arange(81.0), rtol=1e-12)
    draw_plane(played, theory, right)
    np.testing.assert_allclose(right.lines[0].get_xydata(), played.path)


# ---- what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "name a question after 'minimax': dirac or steps"),
        ("nonsense", "nonsense"),
        ("dirac --penalty dropout", "--penalty must be one of none, clipping, r1, r2, weight_decay,"),
        ("dirac --gamma 1", "--gamma must be 0 for 'none', which has none, got 1"),
        ("dirac --penalty r1 --gamma -1", "--gamma must be >= 0, got -1"),
        ("dirac --penalty r1 --gamma nan", "--gamma must be finite, got nan"),
        ("dirac --penalty r1 --gamma heavy", "'--gamma'"),
        ("dirac --penalty wgan-gp --loss logistic", "--loss must be 'wgan'"),
        ("dirac --loss hinge", "--loss must be one of logistic, wgan, non_saturating, got 'hinge'"),
        ("dirac --algorithm adam", "--algorithm must be one of simultaneous, alternating, extragradient, optimistic"),
        ("dirac --step 0", "--step must be > 0, got 0"),
        ("dirac --penalty spectral-normalisation --step 0", "--step must be a number > 0, got 0.0"),
        ("dirac --step inf", "--step must be finite, got inf"),
        ("dirac --noise -1", "--noise must be >= 0, got -1"),
        ("dirac --generator-decay -1", "--generator-decay must be >= 0, got -1"),
        ("dirac --norm 0", "--norm must be a number > 0, got 0.0"),
        ("dirac --start 1 nan", "--start must be finite, got nan"),
        ("dirac --start 1", "'--start'"),
        ("dirac --steps -1", "--steps must be >= 0, got -1"),
        ("dirac --json /nowhere/x.json", "--json must name a file that can be written"),
        ("dirac --plot /nowhere/x.png", "--plot must name a file that can be written"),
        ("dirac --plot x.xyz", "--plot must end in .png, .pdf or .svg"),
        ("steps --kernel cosine", "--kernel must be one of gaussian, imq, matern32, matern52, matern12, got 'cosine'"),
        ("steps --lengthscale 0", "--lengthscale must be a number > 0, got 0.0"),
        ("steps --ridge 0", "--ridge must be > 0, as this needs strong concavity, got 0"),
        ("steps --algorithm optimistic", "--algorithm must be one of simultaneous, alternating, got 'optimistic'"),
        ("steps --smallest 2", "--smallest must be <= largest = 1"),
        ("steps --smallest -1", "--smallest must be >= 0, got -1"),
        ("steps --largest 0", "--largest must be a number > 0, got 0.0"),
        ("steps --squared-lipschitz 0", "--squared-lipschitz must be a number > 0, got 0.0"),
        ("steps --curvature -1", "--curvature must be >= 0, got -1"),
        ("steps --json /nowhere/x.json", "--json must name a file that can be written"),
        ("steps --plot x.png", "--plot"),
    ],
)
def test_wrong_words_get_one_line_that_says_what_to_change(lemmata, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    status, out, err = lemmata("minimax", *words.split())
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "option", "heavy"),
    [
        (["dirac", "--help"], "--generator-decay", {"numpy", "numba", "matplotlib", "torch", "scipy"}),
        (["steps", "--help"], "--squared-lipschitz", {"numpy", "numba", "matplotlib", "torch", "scipy"}),
        (["steps", "--json", "-"], '"beta1"', {"numba", "matplotlib", "torch"}),
        (["dirac", *map(str, R1), "--json", "-"], '"thresholds"', {"matplotlib", "torch"}),
    ],
)
def test_no_command_loads_more_than_it_needs(words, option, heavy):
    program = (
        f"import sys\nfrom lemmata.cli import main\ntry:\n    main(['minimax', *{words!r}])\nexcept SystemExit: pass\n"
        "print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", program], capture_output=True, text=True, check=True)
    said, _, loaded = done.stdout.partition("loaded:")
    assert option in said
    assert heavy.isdisjoint(loaded.split())
