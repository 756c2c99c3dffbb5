"""Property tests draw the same examples in every run; `pytest --hypothesis-profile=search` looks further, at random."""

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
    "traced", deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")
