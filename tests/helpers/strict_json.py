"""JSON as the standard has it."""

import json

import pytest


def strict(text):
    """The value of a JSON text; NaN and infinities are not JSON, though Python reads them."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
