"""Draw docs/mixture.png: which components of a mixture fitted to real data overlap.

    python docs/draw_mixture.py

178 wines by 13 measurements, scaled to unit variance; scikit-learn fits eight components with one variance for each
measurement, and `lemmata entropy --plot` does the rest.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture

PICTURE = Path(__file__).with_name("mixture.png")


def main() -> None:
    wines = load_wine().data
    fitted = GaussianMixture(8, covariance_type="diag", random_state=0, reg_covar=1e-2)
    fitted.fit((wines - wines.mean(0)) / wines.std(0))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "wines.npz"
        np.savez(file, weights=fitted.weights_, means=fitted.means_, covariances=fitted.covariances_)
        words = ["-m", "lemmata", "entropy", str(file), "--tolerance", "1e-3", "--plot", str(PICTURE)]
        subprocess.run([sys.executable, *words], check=True)


if __name__ == "__main__":
    main()
