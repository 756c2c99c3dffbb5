"""Tables of a page, which scroll where the page is too narrow."""

from collections.abc import Sequence
from typing import Any

from .markup import Markup, element

LONG = 26  # characters


def scrolled(words: str, *content: str) -> Markup:
    """What may be wider than the page, in a part that scrolls, by keyboard too."""
    return element("div", *content, class_="wide", role="region", aria_label=words, tabindex="0")


def table(caption: str, heads: Sequence[str], rows: Sequence[Markup], **attributes: Any) -> Markup:
    """A table with its caption and heads."""
    head = element("thead", element("tr", *(element("th", words, scope="col") for words in heads)))
    return scrolled(
        caption,
        element("table", element("caption", element("span", caption)), head, element("tbody", *rows), **attributes),
    )


def cells(*values: str) -> Markup:
    """A line of a table."""
    return element("tr", *(element("td", value, class_=_kind(value)) for value in values))


def _kind(value: str) -> str | None:
    """Words and the code of arguments may go over several lines, numbers and commands may not."""
    return "text" if len(value) > LONG and (not isinstance(value, Markup) or value.startswith("<code>{")) else None
