"""What a run and its numbers need: none of the packages that only the site needs."""

import subprocess
import sys

import pytest

from tests.site_project import FIXTURES

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"altair", "jinja2", "markupsafe", "mkdocs", "material", "vl_convert", "watchdog"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from bench.cli import main
sys.argv = ["bench", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["site", "--help"],
        ["check", "RESULTS"],
        ["export", "--results", "RESULTS"],
        ["export", "--results", "RESULTS", "--format", "report"],
        ["recommend", "--results", "RESULTS", "--machine", "laptop"],
        ["compare", "laptop", "latest", "--results", "RESULTS"],
    ],
    ids=" ".join,
)
def test_nothing_but_the_site_needs_its_extra(words: list[str]) -> None:
    words = [str(FIXTURES) if word == "RESULTS" else word for word in words]

    done = subprocess.run([sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False)

    assert "No module named" not in done.stderr
    assert "is not installed" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_site_says_which_extra_it_needs() -> None:
    command = [sys.executable, "-c", WITHOUT, "site", "--results", str(FIXTURES)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "is not installed; install the site's extra: pip install 'benchledger[site]'" in done.stderr
