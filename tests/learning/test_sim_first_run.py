"""The run that compiles the sampler's kernels gives the same bits as every later one, which loads them.

Numba links a kernel to others by name.  A process that has just compiled holds each of them twice, apart and within
its caller, and takes the one apart; a process that loads the caller from the cache has only the copy within it.  The
compiler may round the two differently.
"""

import json
import os
import subprocess
import sys

# the bottleneck has moves of observed units, where the two copies once differed in the last bit; the deep one has inner
# layers
RUN = """
import json
from lemmata.sim.learning import _kernels, population, sample
from lemmata.theory.learning import network
from lemmata.theory.streams import stream

truths = (
    network.partial_concept_bottleneck_truth(4, 3, 3, 6, 1, 2),
    network.reduced_rank_truth(5, 4, 6, 2),
    network.deep_linear_truth([4, 3, 5, 3], 1),
)
energies = []
for truth in truths:
    chains = sample(population(truth), 1e6, rng=stream(0, "first run"), sweeps=60, chains=64, warmup=50)
    energies += [x.hex() for x in chains.energy[..., -1].ravel()]
print(json.dumps([sum(_kernels.sweeps.stats.cache_hits.values()), energies]))
"""


def run(folder):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_a_process_that_compiles_and_one_that_loads_agree_to_the_last_bit(tmp_path):
    (compiled, first), (loaded, later) = run(tmp_path), run(tmp_path)
    assert (compiled, loaded) == (0, 1)  # else the two processes did the same thing
    assert first == later
