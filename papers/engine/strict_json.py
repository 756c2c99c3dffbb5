"""Numbers and words as strict JSON, which comes back to the last bit."""

import json
import math
from typing import Any


def as_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON of numbers, words, lists and mappings; a float comes back to the last bit.

    Raises TypeError for what is none of these.
    """
    sort = indent is None
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, sort_keys=sort, indent=indent)


def _plain(value: Any) -> Any:
    """NumPy's numbers, tuples and mappings as JSON has them; infinity and NaN, which it has not, as words."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if hasattr(value, "items"):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
