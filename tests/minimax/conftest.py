"""How many cases the counted tests take: a tenth, or all of them with `-m slow`, whose run ends with a table.

    pytest tests/minimax -m slow

docs/minimax.md holds that table, section 10.
"""

import pytest


class Cases:
    """The number of cases of a test, and what it keeps for the table."""

    def __init__(self, whole, kept):
        self.whole, self.kept = whole, kept

    def __call__(self, few, every):
        """`few`, or `every` case in the full run."""
        return every if self.whole else few

    def record(self, statement, count, worst):
        """Keep a count and its worst figure; those of one statement are added up over the tests of a run."""
        if self.whole:
            self.kept.append(("cases", (statement, int(count), float(worst))))


def pytest_generate_tests(metafunc):
    if "cases" in metafunc.fixturenames:
        sizes = ["tenth", pytest.param("full", marks=pytest.mark.slow)]
        metafunc.parametrize("cases", sizes, indirect=True)


@pytest.fixture
def cases(request):
    return Cases(request.param == "full", request.node.user_properties)


def pytest_terminal_summary(terminalreporter):
    table: dict[str, tuple[int, float]] = {}
    for report in terminalreporter.stats.get("passed", ()):
        for name, entry in report.user_properties if report.when == "call" else ():
            if name == "cases":
                statement, count, worst = entry
                before, most = table.get(statement, (0, -float("inf")))
                table[statement] = (before + count, max(most, worst))
    if table:
        terminalreporter.section("cases, worst figure")
        for statement, (count, worst) in table.items():
            terminalreporter.write_line(f"{statement:<66} {count:>6} {worst:>10.4g}")
