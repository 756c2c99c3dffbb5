"""Which papers there are."""

from collections.abc import Sequence

from . import (
    concept_bottleneck,
    deep_linear,
    entropy_approximation,
    gan_stability,
    incremental_stability,
    lstm_resilience,
    minimax_convergence,
    nonconvex_concave,
    observed_chain,
    pairwise_distances,
    partial_concept_bottleneck,
    reduced_rank,
    smoothness_of_gans,
)
from .engine.claim import Claim

MODULES = (
    reduced_rank,
    deep_linear,
    concept_bottleneck,
    partial_concept_bottleneck,
    observed_chain,
    entropy_approximation,
    pairwise_distances,
    lstm_resilience,
    incremental_stability,
    minimax_convergence,
    smoothness_of_gans,
    gan_stability,
    nonconvex_concave,
)
PAPERS: dict[str, tuple[Claim, ...]] = {module.__name__.rpartition(".")[2]: module.CLAIMS for module in MODULES}
TITLES = {module.__name__.rpartition(".")[2]: (module.__doc__ or "").partition("\n")[0] for module in MODULES}


def claims_of(papers: Sequence[str] = ()) -> tuple[Claim, ...]:
    """The claims of the named papers, of all of them by default.

    Raises ValueError for a name that is not a paper's.

    >>> len(claims_of(["deep_linear"]))
    1
    """
    for name in papers:
        if name not in PAPERS:
            raise ValueError(f"paper must be one of {', '.join(PAPERS)}, got {name!r}")
    return tuple(claim for name, claims in PAPERS.items() if not papers or name in papers for claim in claims)
