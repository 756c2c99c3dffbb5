"""What all tests share: how Hypothesis draws, the command line as a function, and a place for saved networks.

Property tests draw the same examples in every run; `pytest --hypothesis-profile=search` looks further, at random.
"""

import pytest
from hypothesis import HealthCheck, settings

# no deadline: a busy machine is not a counterexample
settings.register_profile("fixed", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "search",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.register_profile(  # where every line is traced for coverage, which costs twice the time
    "traced", deadline=None, derandomize=True, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")


@pytest.fixture
def lemmata(capsys):
    """Run the command line; returns exit status, standard output and standard error."""

    from lemmata.cli import main

    def call(*words):
        with pytest.raises(SystemExit) as leaving:
            main([str(word) for word in words])
        seen = capsys.readouterr()
        return leaving.value.code, seen.out, seen.err

    return call


@pytest.fixture
def saved(tmp_path):
    """Save a state_dict by torch and return the file."""

    import torch

    def save(weights, name="model.pt"):
        torch.save(weights, tmp_path / name)
        return tmp_path / name

    return save
