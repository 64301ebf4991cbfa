"""Which requirement is shown by which test: `python tests/coverage_matrix.py`.

Requirements are the lines of `requirements.txt` (id, text); tests name them with `@pytest.mark.req("T-38")`.
Exit code 1 when a test names an id that does not exist.
"""

import contextlib
import io
import sys
from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


class _Collector:
    """Learns from pytest's own collection which test names which ids."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for mark in item.iter_markers("req"):
                for requirement in mark.args:
                    self.tests[requirement].add(item.nodeid.partition("[")[0])


def requirements() -> dict[str, str]:
    """Id to text."""
    lines = (TESTS / "requirements.txt").read_text(encoding="utf-8").splitlines()
    parts = [line.partition("  ") for line in lines if not line.startswith("#")]
    return {number: text for number, _, text in parts}


def collect() -> tuple[dict[str, set[str]], str]:
    """Id to the tests that name it, and pytest's words if collecting went wrong."""
    collector, words = _Collector(), io.StringIO()
    with contextlib.redirect_stdout(words):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(TESTS)], plugins=[collector])
    return collector.tests, "" if code == pytest.ExitCode.OK else words.getvalue()


def main() -> int:
    """Print the matrix."""
    known = requirements()
    found, words = collect()
    out = sys.stdout.write
    for number, text in known.items():
        tests = sorted(found.get(number, ()))
        out(f"{'   ' if tests else '-- '}{number}  {text}\n")
        out("".join(f"         {test}\n" for test in tests))
    shown = [number for number in known if found.get(number)]
    out(f"\n{len(shown)} of {len(known)} requirements are shown by tests; those that nothing shows are marked --\n")
    unknown = sorted(set(found) - set(known))
    out("".join(f"error: {number} is no requirement, but is named by {', '.join(sorted(found[number]))}\n" for number in unknown))
    if words:
        out(f"error: pytest could not collect every test\n{words}")
    return 1 if unknown or words else 0


if __name__ == "__main__":
    sys.exit(main())
