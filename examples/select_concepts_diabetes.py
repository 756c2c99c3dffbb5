"""Do blood fats carry what age, sex, weight and blood pressure tell about diabetes a year later?

    python examples/select_concepts_diabetes.py [--plot FILE]

The diabetes data of Efron et al. 2004 (in scikit-learn, no download), 442 patients.  Inputs: age, sex, body mass index,
blood pressure.  Recorded concepts: the blood's LDL, HDL and log triglycerides.  Outputs: the progression of the disease
one year later, and the blood sugar.  A candidate such as "1 free + {ldl}" is a network whose bottleneck is the expected
LDL and one more unit that nobody recorded.
"""

import argparse

import numpy as np
from sklearn.datasets import load_diabetes

from lemmata.theory.learning import select_concepts

CONCEPTS = {"ldl": "s2", "hdl": "s3", "triglycerides": "s5"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE", help="save a picture of the scores and weights")
    options = parser.parse_args()

    data = load_diabetes(scaled=False)
    column = dict(zip(data.feature_names, data.data.T, strict=True))
    inputs = np.column_stack([column[name] for name in ("age", "sex", "bmi", "bp")])
    concepts = np.column_stack([column[name] for name in CONCEPTS.values()])
    outputs = np.column_stack([data.target, column["s6"]])

    seen = select_concepts(inputs, outputs, concepts, names=list(CONCEPTS))
    print(f"age, sex, bmi, bp -> progression, blood sugar, perhaps through {', '.join(CONCEPTS)}; {seen.n} patients\n")
    print(seen)
    print(f"\n{seen.chosen} has {100 * max(seen.singular_bic_weight):.0f}% of the posterior weight")

    design = np.column_stack([np.ones(seen.n), inputs])
    observed = np.column_stack([outputs, concepts])
    rest = observed - design @ np.linalg.lstsq(design, observed, rcond=None)[0]
    between = np.corrcoef(rest.T)[: outputs.shape[1], outputs.shape[1] :]
    print(
        f"noises of outputs and concepts correlate by up to {abs(between).max():.2f}; every candidate takes this as 0"
    )

    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        seen.draw_scores(left)
        seen.draw(right)
        figure.suptitle("Diabetes: the bottleneck between body and disease")
        figure.savefig(options.plot, dpi=150)
        print(f"picture saved to {options.plot}")


if __name__ == "__main__":
    main()
