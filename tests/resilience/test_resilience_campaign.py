"""No bound is broken on small random networks by the search of bench/resilience_campaign.py, and broken bounds are."""

import importlib
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from lemmata.theory.resilience import deviation_bounds

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def campaign():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        module = importlib.import_module("resilience_campaign")
        patch.setattr(module, "UNITS", (1, 2))
        patch.setattr(module, "SCALES", (0.05, 1.0))  # slower networks have long tubes
        patch.setattr(module, "SMALL", 0)  # level R in two parts
        patch.setattr(module, "TINY", 0)  # no level D
        patch.setattr(module, "LONGEST", 30)
        yield module


@pytest.fixture(scope="module")
def rows(campaign):
    return [campaign.row(3, 12, number) for number in range(NETWORKS)]


NETWORKS = 30


def test_no_bound_is_broken(rows):
    assert [broken for each in rows for broken in each["violations"]] == []
    assert sum(each["checks"] for each in rows) > 240_000
    kinds = {each["kind"] for each in rows}
    assert kinds == {"LSTM", "GRU", "stack"}
    found = [each for row in rows for each in row["recovery"]]
    assert sum(each["found"] > 0 for each in found) > 48


def test_a_level_that_proves_more_certifies_whatever_one_below_does(rows):
    for each in rows:
        held = each["certified"]
        for less, more in (("A", "B"), ("B", "C"), ("C", "R"), ("C", "tube_C"), ("tube_C", "tube_R")):
            assert held[more] >= held[less]
        assert (each["status"] == "certified") == any(held.values())


def test_sharp_levels_come_near_what_the_search_finds(rows, campaign):
    lines = {each["level"]: each for each in campaign.summary(rows)}
    assert lines["tube_R"]["T̂/found median"] < 1.35  # 1.2 in the full campaign
    assert lines["tube_R"]["attained %"] > 15
    assert lines["A"]["T̂ finite %"] < lines["C"]["T̂ finite %"] <= lines["tube_R"]["T̂ finite %"]


def test_a_bound_a_tenth_too_low_is_caught(campaign):
    def lower(known, level, steps):
        return 0.9 * deviation_bounds(known, level, steps)

    caught = [campaign.row(3, 12, number, lower)["violations"] for number in range(12)]
    assert sum(bool(each) for each in caught) >= 6


def test_a_violation_says_enough_to_be_replayed(campaign):
    from lemmata.sim.resilience import deviations

    def lower(known, level, steps):
        return 0.5 * deviation_bounds(known, level, steps)

    broken = campaign.row(3, 12, 0, lower)["violations"][0]
    kept = json.loads(json.dumps(broken))
    case = campaign.draw_case(kept["seed"], kept["number"])
    u = np.array(kept["inputs"])
    start = [np.array(kept[name]) for name in ("nominal_states", "perturbed_states")]
    curve = deviations(case.cell, u, u, *start)[0]
    above = np.flatnonzero(curve > kept["epsilon"])
    assert kept["found"] == (above[-1] + 1 if len(above) else 0)


def test_a_killed_campaign_goes_on_and_rows_are_the_seeds_alone(campaign, tmp_path, rows):
    file = tmp_path / "kept.jsonl"
    asked = Namespace(networks=3, jobs=1, seed=3, rounds=12, kept=file)
    first = campaign.campaign(asked)
    whole = file.read_text()
    file.write_text(whole[:-40])  # torn in the last line
    again = campaign.campaign(asked)
    assert len(file.read_text().splitlines()) == 3
    for one, two, three in zip(first, again, rows, strict=False):
        assert {**one, "seconds": 0} == {**two, "seconds": 0} == {**three, "seconds": 0}
    assert campaign.kept_rows(file, 4, 12) == {}
    assert campaign.kept_rows(file, 3, 13) == {}
