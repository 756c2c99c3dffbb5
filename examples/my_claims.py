"""A theorem of your own, put to the test:  lemmata validate examples/my_claims.py

The largest of n independent uniform numbers on [0, 1] has mean n/(n+1).
"""

from lemmata.papers.engine.claim import BoundedDraws, Case, Claim, FalseVariant, Relation

DRAWS = 20_000  # of a block at effort 1


def largest(case, rng, effort):
    """One block of independent draws of the largest number, which is known to lie between 0 and 1."""
    seen = rng.random((round(DRAWS * effort), case.arguments["n"])).max(axis=1)
    mean = float(seen.mean())
    return BoundedDraws(seen.size, mean, float(((seen - mean) ** 2).sum()), 0.0, 1.0, "independent draws")


CLAIMS = [
    Claim(
        name="mean-of-the-largest",
        paper="my_claims",
        place="exercise 1",
        sentence="The largest of n uniform numbers has mean n/(n+1).",
        relation=Relation.EQUALS,
        theory=lambda n: n / (n + 1),
        simulate=largest,
        cases=(Case("n = 2", {"n": 2}), Case("n = 10", {"n": 10})),
        tolerance=0.003,
        remainder="nothing: the statement is exact, and 0.003 is near enough",
        false_variants=(FalseVariant("(n - 1)/n", lambda n: (n - 1) / n),),
        formula=r"\operatorname{E} \max(U_1, \dots, U_n) = \frac{n}{n+1}",
    ),
]
