"""How many directions of fitness tie twenty men's exercises to their bodies?

    python examples/select_rank_linnerud.py [--plot FILE]

Linnerud's data (in scikit-learn, no download): chin-ups, sit-ups and jumps of 20 men against their weight, waist and
pulse.  A map of rank i would mean i separate directions of fitness that show in the body.
"""

import argparse

from sklearn.datasets import load_linnerud

from lemmata.theory.learning import select_rank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="save a picture of the scores and weights")
    options = parser.parse_args()

    data = load_linnerud()
    seen = select_rank(data.data, data.target)
    print(f"{', '.join(data.feature_names)} -> {', '.join(data.target_names)}; {seen.n} men\n")
    print(seen)
    print(f"\nrank {seen.chosen} has {100 * max(seen.singular_bic_weight):.0f}% of the posterior weight")

    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        seen.draw_scores(left)
        seen.draw(right)
        left.set_ylabel("rank")
        figure.suptitle("Linnerud: exercise to body, rank of the map")
        figure.savefig(options.plot, dpi=150)
        print(f"picture saved to {options.plot}")


if __name__ == "__main__":
    main()
