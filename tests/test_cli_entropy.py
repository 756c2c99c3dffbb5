"""`lemmata entropy`: what it prints, writes, draws and refuses."""

import io
import json
import math
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from strict_json import strict

from lemmata.theory.entropy import GaussianMixture, entropy_bracket, equal_covariance_gap

# docs/entropy, section 9
LINE = {"weights": [0.2, 0.3, 0.5], "means": [[-2.0], [0.0], [5.0]], "covariances": [1.0, 0.25, 4.0]}
LINE_ENTROPY, LINE_GAP = 2.42727050894850, 0.159950474432737
PLANE = {
    "weights": [0.2, 0.3, 0.5],
    "means": [[0.0, 0.0], [2.0, 1.0], [-1.0, 3.0]],
    "covariances": [[[1.0, 0.5], [0.5, 1.0]], [[2.0, 0.0], [0.0, 0.5]], [[0.7, -0.3], [-0.3, 1.2]]],
}


@pytest.fixture
def saved(tmp_path):
    """Write a mixture as .npz or .json and return the file."""

    def save(name="mixture.npz", **arrays):
        file = tmp_path / name
        if file.suffix == ".json":
            file.write_text(json.dumps(arrays), encoding="utf-8")
        else:
            np.savez(file, **arrays)
        return file

    return save


@pytest.mark.parametrize("name", ["mixture.npz", "mixture.json"])
def test_the_bracket_and_the_estimate_agree_with_the_reference(lemmata, saved, name):
    file = saved(name, **LINE)
    status, out, err = lemmata("entropy", file, "--json", "-", "--tolerance", "1e-3")
    assert (status, err) == (0, "")
    data = strict(out)
    assert data["bracket"]["lower"] < LINE_ENTROPY < data["bracket"]["upper"]
    assert data["approximation"] == pytest.approx(LINE_ENTROPY + LINE_GAP, rel=1e-12)
    estimate = data["estimate"]
    # wrong for one seed in a thousand, the seed is fixed
    assert estimate["entropy_interval"][0] <= LINE_ENTROPY <= estimate["entropy_interval"][1]
    assert estimate["gap_interval"][0] <= LINE_GAP <= estimate["gap_interval"][1]
    assert estimate["entropy"] + estimate["gap"] == pytest.approx(data["approximation"], rel=1e-12)
    assert estimate["reached"] is True
    assert estimate["gap_interval"][1] - estimate["gap_interval"][0] <= 2e-3


def test_what_is_printed_is_what_is_written(lemmata, saved, tmp_path):
    file = saved(**LINE)
    status, out, err = lemmata(
        "entropy", file, "--json", tmp_path / "run.json", "--tolerance", "1e-3", "--threads", "1"
    )
    assert (status, err) == (0, "")
    data = strict((tmp_path / "run.json").read_text(encoding="utf-8"))
    bracket = entropy_bracket(GaussianMixture(**LINE))
    assert "GaussianMixture(3 components, 1 dimension, spherical)" in out
    assert f"H̃ = {bracket.approximation:.6f}\n" in out
    assert f"H ≥ {bracket.lower:.6f}  (H̃ − {bracket.lower_from})\n" in out
    assert f"H ≤ {bracket.upper:.6f}  (H̃ − {bracket.upper_from})\n" in out
    assert f"H = {data['estimate']['entropy']:.6f}, in [" in out
    assert "with probability 0.999" in out
    for name, value in data["gap_bounds"].items():
        if name != "relative_rounding":
            assert re.search(rf"^{name} +[≤≥] {re.escape(f'{value:.6g}')}( +binding)? *$", out, re.MULTILINE), name
    assert len(re.findall("binding", out)) == 2


def test_every_digit_depends_on_the_seed_and_not_on_the_threads(lemmata, saved):
    file = saved("plane.json", **PLANE)
    words = ("entropy", file, "--tolerance", "1e-2", "--json", "-")
    one, two = (lemmata(*words, "--threads", count)[1] for count in (1, 2))
    other = lemmata(*words, "--seed", 1)[1]
    assert one == two
    assert strict(other)["estimate"]["gap"] != strict(one)["estimate"]["gap"]


def test_the_tolerance_asked_for_decides_how_many_digits_are_shown(lemmata, saved):
    file = saved(weights=[0.5, 0.5], means=[[0.0], [2.0]], covariances=[1.0, 1.0])
    _, out, _ = lemmata("entropy", file, "--tolerance", "1e-9")  # two components: the bounds alone reach it
    assert "H = 1.75576935355, in [1.75576935355, 1.75576935355] by the bounds alone" in out


def test_a_tolerance_that_is_out_of_reach_is_said_and_gives_status_1(lemmata, saved):
    file = saved("plane.json", **PLANE)
    status, out, err = lemmata("entropy", file, "--tolerance", "1e-6", "--most-draws", 500)
    assert (status, err) == (1, "")
    assert "the tolerance 1e-06 was not reached" in out
    status, out, _ = lemmata("entropy", file, "--tolerance", "1e-6", "--most-draws", 500, "--json", "-")
    assert status == 1
    assert strict(out)["estimate"]["reached"] is False


def test_the_kind_tells_tied_from_diagonal(lemmata, saved):
    arrays = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [1.0, 0.0]], "covariances": [[1.0, 0.0], [0.0, 4.0]]}
    file = saved(**arrays)
    status, out, err = lemmata("entropy", file)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "could be tied or diagonal: --kind must say which" in err
    _, out, _ = lemmata("entropy", file, "--kind", "tied", "--json", "-")
    data = strict(out)
    assert data["kind"] == "tied"
    gap = equal_covariance_gap(GaussianMixture(**arrays, kind="tied"))
    assert data["gap_bounds"]["pairwise"] == pytest.approx(gap, abs=1e-10)  # what the quadrature promises


def mixture_of(K, m, kind):
    draw = np.random.default_rng(K + m)
    covs = {"full": np.tile(np.eye(m), (K, 1, 1)), "spherical": np.linspace(0.5, 2.0, K)}[kind]
    return {"weights": np.full(K, 1 / K), "means": 3 * draw.standard_normal((K, m)), "covariances": covs}


@pytest.mark.parametrize(
    ("arrays", "suffix"),
    [
        (mixture_of(1, 1, "spherical"), "png"),
        (mixture_of(1, 3, "spherical"), "svg"),
        (mixture_of(2, 2, "full"), "pdf"),
        (mixture_of(40, 1, "spherical"), "png"),
        (mixture_of(200, 2, "spherical"), "png"),
        ({"weights": [0.5, 0.5], "means": [[0.0], [1e4]], "covariances": [1.0, 1e-4]}, "png"),  # the gap underflows
        ({"weights": [0.5, 0.5], "means": [[1.0, 0.0]] * 2, "covariances": [1.0, 1.0]}, "png"),
    ],
    ids=["one on a line", "one in space", "two in the plane", "forty on a line", "two hundred", "far", "identical"],
)
def test_a_picture_is_drawn_of_any_mixture(lemmata, saved, tmp_path, arrays, suffix):
    picture = tmp_path / f"mixture.{suffix}"
    status, _, err = lemmata("entropy", saved(**arrays), "--plot", picture, "--tolerance", "0.2")
    assert (status, err) == (0, "")
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(begins)
    assert picture.stat().st_size > 10_000


def test_the_picture_shows_every_pair_gap_at_its_place():
    from matplotlib.figure import Figure

    from lemmata.cli.mixture_picture import draw_mixture, draw_pairs, pair_colours
    from lemmata.theory.entropy import log_pair_gaps, pair_gap

    mixture = GaussianMixture(**PLANE)
    pairs = log_pair_gaps(mixture) / math.log(10)
    left, right = Figure().subplots(1, 2)
    colours = pair_colours(pairs)
    draw_pairs(pairs, colours, right)
    written = {text.get_position(): text.get_text() for text in right.texts}
    assert written == {(j, k): f"{pair_gap(mixture, k, j):.2g}" for k in range(3) for j in range(3) if k != j}
    draw_mixture(mixture, pairs, colours, left)
    assert [text.get_text() for text in left.texts] == ["0", "1", "2"]
    rings, links = (collection.get_segments() for collection in left.collections[:2])
    assert len(rings) == len(links) == 3
    # the projection of a mixture in the plane is a rotation
    middles = np.array([ring[:-1].mean(0) for ring in rings])
    steps = (np.linalg.norm(np.diff(places, axis=0), axis=1) for places in (middles, PLANE["means"]))
    assert next(steps) == pytest.approx(next(steps))


def test_the_ellipses_are_the_covariances():
    from matplotlib.figure import Figure

    from lemmata.cli.mixture_picture import draw_mixture, pair_colours

    mixture = GaussianMixture([1.0], [[5.0, -1.0]], [[9.0, 0.0], [0.0, 1.0]], kind="tied")
    ax = Figure().subplots()
    draw_mixture(mixture, np.full((1, 1), -np.inf), pair_colours(np.full((1, 1), -np.inf)), ax)
    (ring,) = ax.collections[0].get_segments()
    assert np.ptp(ring, axis=0) == pytest.approx([6.0, 2.0])  # one deviation to each side, the longer one first


# ---- what is refused


def refused(lemmata, *words):
    status, out, err = lemmata("entropy", *words)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": [0.2, 0.3]}, "mixture.npz: weights must sum to 1"),
        ({"weights": [0.2, 0.3, 0.6]}, "mixture.npz: weights must sum to 1 within 1e-12, got 1.1"),
        ({"weights": [0.5, 0.5, 0.0]}, "weights must be > 0, got 0 for component 2"),
        ({"means": [-2.0, 0.0, 5.0]}, "means must be a matrix, got 1 dimensions"),
        ({"means": [[-2.0], [0.0]]}, "means must have shape (3, 1), got (2, 1)"),
        ({"means": [[-2.0], [np.nan], [0.0]]}, "means must be finite, got nan"),
        ({"means": np.array([[1j], [0.0], [2.0]])}, "means must hold real numbers, got dtype complex128"),
        ({"means": np.array([["a"], ["b"], ["c"]])}, "means must hold real numbers"),
        ({"covariances": [1.0, np.inf, 4.0]}, "covariances must be finite, got inf"),
        ({"covariances": [1.0, 2.0]}, "to go with means (3, 1), got (2,)"),
        ({"covariances": [1.0, 0.25, 0.0]}, "positive definite, got smallest eigenvalue 0 for component 2"),
        ({"covariances": np.array([1.0, None, 4.0])}, "covariances must hold real numbers, got pickled objects"),
    ],
)
def test_a_wrong_array_is_named_with_its_file(lemmata, saved, change, said):
    assert said in refused(lemmata, saved(**{**LINE, **change}))


def test_a_singular_covariance_is_named_by_its_component(lemmata, saved):
    covs = np.array(PLANE["covariances"])
    covs[1] = [[1.0, 2.0], [2.0, 4.0]]
    err = refused(lemmata, saved(**{**PLANE, "covariances": covs}))
    assert "covariances must be positive definite" in err
    assert "for component 1" in err


def test_a_missing_array_is_told_with_those_found(lemmata, saved):
    err = refused(lemmata, saved(weights_=[1.0], means=[[0.0]], covariances=[1.0]))
    assert "got weights_, means, covariances without weights" in err
    assert "without covariances" in refused(lemmata, saved("a.json", weights=[1.0], means=[[0.0]]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"weights": [1.0', "must be strict JSON"),
        ('{"weights": [NaN], "means": [[0]], "covariances": [1]}', "NaN is not JSON"),
        ('{"weights": [1], "weights": [1], "means": [[0]], "covariances": [1]}', "'weights' comes twice"),
        ("[1, 2]", "must hold an object with weights, means, covariances, got a list"),
        ('{"weights": [1], "means": [[0], [1, 2]], "covariances": [1]}', "means must be a rectangular array"),
        ('{"weights": ["1"], "means": [[0]], "covariances": [1]}', "weights must hold real numbers"),
        ('{"weights": [1], "means": [[1e999]], "covariances": [1]}', "means must be finite, got inf"),
        ("[" * 100_000, "must be strict JSON"),
        (b"\xff\xfe", "must be strict JSON"),
    ],
)
def test_json_is_read_strictly(lemmata, tmp_path, text, said):
    file = tmp_path / "mixture.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert said in refused(lemmata, file)


def test_what_is_no_archive_is_refused(lemmata, saved, tmp_path):
    assert "FILE must name a file that can be read" in refused(lemmata, tmp_path / "none.npz")
    assert "FILE must name a file that can be read" in refused(lemmata, tmp_path / "none.json")
    (tmp_path / "folder.npz").mkdir()
    assert "FILE must name a file that can be read" in refused(lemmata, tmp_path / "folder.npz")
    assert "FILE must end in .npz or .json" in refused(lemmata, tmp_path / "mixture.csv")
    other = tmp_path / "other.npz"
    for content in (b"", b"weights", b"\x80\x04K\x01."):  # the last is a pickle
        other.write_bytes(content)
        assert "must be an archive as numpy.savez writes it" in refused(lemmata, other)
    array = io.BytesIO()
    np.save(array, np.ones(3))
    other.write_bytes(array.getvalue())
    assert "must be an archive as numpy.savez writes it" in refused(lemmata, other)


def test_a_damaged_archive_is_refused(lemmata, saved, tmp_path):
    whole = saved(**LINE).read_bytes()
    damaged = tmp_path / "damaged.npz"
    where = whole.index(b"\x93NUMPY") + 140  # in the first array's numbers
    damaged.write_bytes(whole[:where] + bytes([whole[where] ^ 0xFF]) + whole[where + 1 :])
    assert "must be a whole archive" in refused(lemmata, damaged)
    damaged.write_bytes(whole[:200])
    assert "must be an archive" in refused(lemmata, damaged)
    with zipfile.ZipFile(damaged, "w") as archive:
        for name in ("weights", "means", "covariances"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00 cut short")
    assert "damaged.npz" in refused(lemmata, damaged)


def test_nothing_is_unpickled(lemmata, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    file = tmp_path / "trap.npz"
    np.savez(file, weights=np.array([Trap()], dtype=object), means=[[0.0]], covariances=[1.0])
    assert "pickled objects, which are not read" in refused(lemmata, file)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--tolerance -1", "--tolerance must be a number > 0, got -1.0"),
        ("--tolerance 0", "--tolerance must be a number > 0"),
        ("--tolerance nan", "--tolerance must be finite"),
        ("--tolerance small", "'--tolerance'"),
        ("--confidence 1", "--confidence must lie strictly between 0 and 1, got 1.0"),
        ("--seed -1", "--seed must be an integer >= 0, got -1"),
        ("--threads 0", "--threads must be >= 1, got 0"),
        ("--most-draws 0", "--most-draws must be >= 1, got 0"),
        ("--kind round", "--kind must be one of full, tied, diagonal, spherical, got 'round'"),
        ("--json /nowhere/x.json", "--json must name a file that can be written"),
        ("--plot /nowhere/x.png", "--plot must name a file that can be written"),
        ("--plot x.xyz", "--plot must end in .png, .pdf or .svg"),
        ("--nonsense", "--nonsense"),
    ],
)
def test_a_wrong_option_gets_one_line_that_says_what_to_change(lemmata, saved, tmp_path, monkeypatch, words, said):
    file = saved(**LINE)
    monkeypatch.chdir(tmp_path)
    assert said in refused(lemmata, file, *words.split())
    assert [path.name for path in tmp_path.iterdir()] == ["mixture.npz"]


def test_a_file_is_asked_for(lemmata):
    assert "FILE" in refused(lemmata)


def test_help_needs_neither_numba_nor_a_plotting_library():
    program = (
        "import sys\nfrom lemmata.cli import main\ntry:\n    main(['entropy', '--help'])\nexcept SystemExit: pass\n"
        "print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", program], capture_output=True, text=True, check=True)
    help_text, _, loaded = done.stdout.partition("loaded:")
    assert "--tolerance" in help_text
    assert {"numpy", "numba", "matplotlib", "torch", "scipy"}.isdisjoint(loaded.split())
