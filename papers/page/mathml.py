"""A formula in LaTeX as MathML, which browsers show without any library."""

import re
from collections.abc import Sequence
from functools import lru_cache
from xml.etree import ElementTree

from latex2mathml.converter import convert

from .markup import Markup, element

SPACE = "http://www.w3.org/1998/Math/MathML"
TAGS = frozenset(
    {"math", "mi", "mn", "mo", "mtext", "mspace", "mrow", "mstyle", "mpadded", "mphantom", "mfrac", "msqrt", "mroot"}
    | {"msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"}
)
ATTRIBUTES = frozenset(
    {"display", "displaystyle", "scriptlevel", "mathvariant", "accent", "accentunder", "linethickness", "columnalign"}
    | {"stretchy", "symmetric", "fence", "form", "separator", "largeop", "movablelimits", "minsize", "maxsize"}
    | {"lspace", "rspace", "width", "height", "depth", "voffset"}
)
DEEPER = {"{": 1, "}": -1, r"\begin": 1, r"\end": -1, r"\left": 1, r"\right": -1}
ROWS = frozenset({"math", "mrow", "mstyle", "mtd"})
SCRIPTED = frozenset({"msub", "msup", "msubsup", "munder", "mover", "munderover"})
RELATIONS = {"~": "∼", ":": ":", ";": ";"}  # which the converter takes for letters
UPRIGHT = frozenset("ΓΔΘΛΞΠΣΥΦΨΩ")  # as LaTeX sets them
BARS = frozenset({"|", "‖"})  # without this browsers set them apart as if they stood between two operands


def formula(latex: str) -> Markup:
    r"""A displayed formula, one block a line where it has several (`\\` between them); as text if it is beyond MathML.

    Parts of a line with \quad between them stand beside each other, or below where the page is narrow.

    >>> formula("x")
    '<div class="formula"><div><math display="block"><mrow><mi>x</mi></mrow></math></div></div>'
    >>> formula(r"\unheard{x}")
    '<div class="formula"><code>\\unheard{x}</code></div>'
    """
    try:
        lines = [[mathml(part) for part in parts] for parts in _parts(latex)]
    except ValueError:
        return element("div", element("code", latex), class_="formula")
    return element("div", *(element("div", Markup(" ".join(parts))) for parts in lines), class_="formula")


@lru_cache(maxsize=1024)
def mathml(latex: str) -> Markup:
    """A formula without line breaks as a `math` element; its text is escaped and nothing but MathML is let through.

    Raises ValueError where it cannot be converted.
    """
    try:
        tree = ElementTree.fromstring(convert(latex, display="block"))
    except Exception as error:  # the converter lets every kind escape, and does not escape < and &
        raise ValueError(f"formula must be LaTeX that MathML can show, got {latex!r}: {error}") from None
    return _checked(tree, latex)


def _checked(node: ElementTree.Element, latex: str) -> Markup:
    tag, text = node.tag.removeprefix(f"{{{SPACE}}}"), node.text or ""
    text = text if tag == "mtext" else text.strip()
    unknown = [tag] if tag not in TAGS else [name for name in node.attrib if name not in ATTRIBUTES]
    if unknown or text.startswith("\\"):
        raise ValueError(f"formula must be LaTeX that MathML can show, got {latex!r} with {(unknown or [text])[0]!r}")
    if tag == "mi" and text in RELATIONS:
        tag, text = "mo", RELATIONS[text]
    attributes = dict(node.attrib)
    if tag == "mo" and text in BARS:
        attributes |= {"lspace": "0", "rspace": "0", "stretchy": attributes.get("stretchy", "false")}
    if tag == "mo" and _is_name(node):
        attributes |= {"lspace": "0", "rspace": "0"}
    if tag == "mi" and text in UPRIGHT:
        attributes["mathvariant"] = "normal"
    return element(tag, text, *_spaced(list(node), latex, tag in ROWS), **attributes)


def _spaced(children: Sequence[ElementTree.Element], latex: str, in_a_row: bool) -> list[Markup]:
    """The children, with a thin space between the name of a function and what is no operator."""
    out: list[Markup] = []
    for before, child in zip([None, *children], children, strict=False):
        if in_a_row and before is not None and (_is_name(before) or _is_name(child)):
            out.append(Markup("") if _is_sign(before) or _is_sign(child) else element("mspace", width="0.167em"))
        out.append(_checked(child, latex))
    return out


def _is_sign(node: ElementTree.Element) -> bool:
    """Whether it is an operator or a bracket, or starts with one."""
    if node.tag == f"{{{SPACE}}}mrow" and len(node):
        return _is_sign(node[0])
    return node.tag == f"{{{SPACE}}}mo" and not _is_name(node)


def _is_name(node: ElementTree.Element) -> bool:
    """Whether it is the name of a function, perhaps with an index or a power."""
    tag, text = node.tag.removeprefix(f"{{{SPACE}}}"), node.text or ""
    if tag in SCRIPTED and len(node):
        return _is_name(node[0])
    return tag in ("mi", "mo") and len(text) > 1 and text.isascii() and text.isalpha() and text != "mod"


def _parts(latex: str) -> list[list[str]]:
    r"""The parts between \quad of the lines between `\\`, where neither stands inside of anything."""
    lines, depth = [[""]], 0
    for token in re.split(r"(\\begin\b|\\end\b|\\left\b|\\right\b|\\quad\b|\\\\|\\?[{}])", latex):
        depth += DEEPER.get(token, 0)
        if token == r"\\" and depth == 0:
            lines.append([""])
        elif token == r"\quad" and depth == 0:
            lines[-1].append("")
        else:
            lines[-1][-1] += token
    return [kept for line in lines if (kept := [part.strip() for part in line if part.strip()])]
