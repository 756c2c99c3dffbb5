"""HTML, SVG and MathML in which all text is escaped unless it was built here."""

from html import escape
from typing import Any

VOID = frozenset({"br", "col", "hr", "input", "meta"})


class Markup(str):
    """Text that is markup already; any other string is escaped when it becomes part of an element."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: Any) -> Markup:
    """An element; an attribute that is None or False is left out, True stands alone, `class_` is class.

    >>> element("p", "1 < 2", element("b", "!"), class_="note", data_value=3, hidden=False)
    '<p class="note" data-value="3">1 &lt; 2<b>!</b></p>'
    """
    given = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    end = "" if name in VOID else f"</{name}>"
    return Markup(f"<{name}{given}>{joined(*children)}{end}")


def joined(*children: str) -> Markup:
    """Text and markup one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child, quote=True) for child in children))


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value), quote=True)}"'
