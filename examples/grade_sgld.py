"""Grade stochastic gradient Langevin dynamics on linear networks whose learning coefficients are known exactly.

    python examples/grade_sgld.py                        # the table, about three minutes
    python examples/grade_sgld.py --plot grade.png       # and the picture
    python examples/grade_sgld.py --estimator two_temperatures

Another library's estimator is graded the same way: wrap it in a function of (model, loss, data, true_parameters) that
returns a number.  With devinterp (version 1, `pip install "devinterp<2"`; version 2 knows language models only):

    import math
    from devinterp.optim.sgld import SGLD
    from devinterp.slt.sampler import estimate_learning_coeff
    from torch.utils.data import DataLoader, TensorDataset

    def devinterp_sgld(model, loss, data, true_parameters):
        n = len(data[0])
        return estimate_learning_coeff(
            model,                                  # already at w*
            DataLoader(TensorDataset(*data), batch_size=256, shuffle=True),
            evaluate=lambda model, batch: loss(model(batch[0]), batch[1]),
            sampling_method=SGLD,
            optimizer_kwargs={"lr": 1e-4, "nbeta": n / math.log(n), "localization": 1.0},
            num_chains=4, num_burnin_steps=500, num_draws=1000, verbose=False,
        )

    print(grade_estimator(devinterp_sgld))
"""

import argparse
import sys

import matplotlib
import torch

from lemmata.accel.learning import grade_estimator, sgld, two_temperatures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--estimator", choices=["sgld", "two_temperatures"], default="sgld")
    parser.add_argument("--suite", choices=["standard", "quick"], default="standard")
    parser.add_argument("--repeats", type=int, default=3, help="data sets of each case and size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", metavar="FILE", help="write the picture there")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the networks are small: more threads only wait for each other
    grade = grade_estimator(
        {"sgld": sgld, "two_temperatures": two_temperatures}[args.estimator],
        args.suite,
        repeats=args.repeats,
        seed=args.seed,
        progress=lambda line: print(line, file=sys.stderr),
    )
    print(grade)
    if args.plot:
        matplotlib.use("agg")
        from matplotlib import pyplot as plt

        figure, ax = plt.subplots(
            figsize=(8, 0.5 * len({case.case for case in grade.cases}) + 1.2), layout="constrained"
        )
        grade.draw(ax)
        figure.savefig(args.plot, dpi=150)


if __name__ == "__main__":
    main()
