"""Random streams that depend on what is drawn, never on who draws it or when.

A stream is keyed by words and numbers such as (seed, claim, case, block).  The key alone decides its numbers, so that
results are the same whatever the number of threads, processes or resumptions.
"""

import hashlib

import numpy as np


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """The generator of the key: SFC64 seeded with SHA-256 of the key; streams of different keys are independent.

    Raises ValueError for a seed that is no integer >= 0, TypeError for a part of the key that is no word or integer.

    >>> a, b = stream(0, "claim", 3), stream(0, "claim", 3)
    >>> bool(a.random() == b.random())
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be an integer >= 0, got {seed!r}")
    # the length of each part is hashed too, so that ("ab", "c") and ("a", "bc") are different keys
    parts = [str(int(seed)), *(_part(k) for k in key)]
    digest = hashlib.sha256(b"".join(f"{len(p.encode())}:{p}".encode() for p in parts)).digest()
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(int.from_bytes(digest, "little"))))


def _part(key: str | int) -> str:
    """A part of a key with its kind, so that 1 and "1" differ but 1 and np.int64(1) do not."""
    if isinstance(key, str):
        return f"str{key}"
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return f"int{int(key)}"
    raise TypeError(f"key must hold words and integers, got {key!r}")
