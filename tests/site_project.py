"""Ledgers to make sites from, and a project folder in which a site is built the way the command line does."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from filelock import FileLock

from bench.schema.load import LengthCell, LoadLevel
from bench.schema.machine import Energy, MachineWatch, Probe
from bench.schema.result import Result
from bench.schema.sample import Failure
from bench.site.build import write_site
from bench.site.dataset import Site
from bench.site.machine_parts import MOST_ON_PAGE, MachinePart, View
from bench.store.files import Ledger, Refused, load_tree
from bench.store.reviews import Reviews
from tests import builders
from tests.conftest import shared_folder
from tests.load_builders import cell, cell_sample, failed_load_sample, load_level, load_sample, steady_level

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "site_templates"
FIXTURES = Path(__file__).parent / "fixtures" / "results"

HOSTILE_TEXTS = (
    "<script>document.title = 'owned'</script>",
    "</template></figure></div><img src=x onerror=alert(1)>",
    "</title><h1>big</h1>",
    "`code` **bold** _soft_ [link](javascript:alert(1)) ![image](x)",
    "\n\n# Heading\n\n```\nfence\n```\n\n- item\n\n---\n",
    "{{ 7 * 7 }} {% raw %} {# hidden #}",
    '--8<-- "mkdocs.yml"',
    "stash \x02wzxhzdk:0\x03 bell \x07 right-to-left \u202e gnp.exe",
    "&lt;b&gt; &amp; \" ' \\ $x$ ~~gone~~ ^up^ ==mark== | cell |",
    "../../../etc/passwd",
)
"""Texts that would do something on a page if it let them."""


def fixture_ledger() -> Ledger:
    """Return the results that ship with the tests, and two files that were refused."""
    ledger = load_tree(FIXTURES)
    refused = (
        Refused("laptop/20260101T000000Z-0a1b2c3-default.json", "is not whole JSON (line 12); restore it with git"),
        Refused("laptop/20260102T000000Z-0a1b2c3-default.json", "has schema version 9; this program reads up to 1"),
    )
    return Ledger(ledger.results, (*ledger.refused, *refused))


def hostile_ledger() -> Ledger:
    """Return runs in which every text that a page shows tries to be more than text."""
    return Ledger(tuple(_hostile_result(day) for day in range(2)), tuple(Refused(t, t) for t in HOSTILE_TEXTS))


def many_machines_ledger() -> Ledger:
    """Return a hostile run of each of more machines than a page shows one below the other."""
    return Ledger(tuple(_on_machine(f"edge-{number}", number) for number in range(MOST_ON_PAGE + 1)), ())


def whole_ledger(made: Site) -> Ledger:
    """Return the runs of a site with their samples."""
    return Ledger(tuple(made.whole.of(one.run.id).result for one in made.results), ())


def views(parts: Iterable[MachinePart[View]]) -> list[View]:
    """Return what each part of a page shows."""
    return [one.view() for one in parts]


def write_project(ledger: Ledger, root: Path, reviews: Mapping[str, Reviews] | None = None) -> Path:
    """Make a project folder with the pages of a ledger in it, and return its documentation folder."""
    docs = root / "docs"
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("report", "index.md"))
    shutil.copy(ROOT / "mkdocs.yml", root)
    with drawn_once(root / ".cache" / "site") as cache:
        write_site(ledger, docs, TEMPLATES, cache, reviews=reviews)
    return docs


@contextmanager
def drawn_once(cache: Path) -> Iterator[Path]:
    """Let a site's cache begin with all that this test run has drawn until now, and keep what it draws in the block.

    Only what is named after its content is shared: pictures and the charts' program.
    """
    shared = shared_folder("drawn")
    _copy_missing(shared, cache)
    yield cache
    keep_drawn(cache)


def keep_drawn(cache: Path) -> None:
    """Give what a site's cache has of pictures and the charts' program to the builds after it."""
    _copy_missing(cache, shared_folder("drawn"))


def built_once(name: str, ledger: Callable[[], tuple[Ledger, Mapping[str, Reviews]]]) -> Path:
    """Return the site of a ledger, built once in a test run, by the first worker that asks for it; nobody writes to it.

    Raises AssertionError if it cannot be built without a warning.
    """
    root = shared_folder("sites") / name
    with FileLock(root.with_suffix(".lock")):
        if not (root / "whole").exists():
            shutil.rmtree(root, ignore_errors=True)
            made, reviews = ledger()
            write_project(made, root, reviews)
            done = build_project(root)
            assert done.returncode == 0, done.stderr
            assert "WARNING" not in done.stderr
            (root / "whole").touch()
    return root / "site"


def _copy_missing(source: Path, target: Path) -> None:
    for path in [*source.glob("charts/*.bin"), *source.glob("pictures/*.bin")]:
        copy = target / path.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            # Another worker may be reading there: a file is whole from the moment that it has its name.
            unfinished = copy.with_suffix(f".{os.getpid()}.tmp")
            shutil.copyfile(path, unfinished)
            unfinished.replace(copy)


def build_project(root: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a project folder with every warning an error."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(root / "mkdocs.yml")],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )


def _hostile_result(day: int) -> Result:
    prompts = [
        builders.prompt(
            id=f"p{place}" if place else text,
            title=text,
            category=text,
            text=text,
            facets=(builders.facet(says=text),),
        )
        for place, text in enumerate(HOSTILE_TEXTS)
    ]
    names = [prompt.id for prompt in prompts]
    outputs = {f"out{place}": text * 3 for place, text in enumerate(HOSTILE_TEXTS)}
    models = []
    for text in HOSTILE_TEXTS:
        samples = [
            builders.sample(prompt=name, position=place, output=f"out{place}", finish_reason=text)
            for place, name in enumerate(names)
        ]
        samples.append(
            builders.failed_sample(prompt=names[0], position=99, failure=Failure(kind=text, message=text)),
        )
        models.append(
            builders.model_run(
                name=text,
                provider=text,
                requested=text,
                variant_id=text,
                device=text,
                licence=text,
                licence_url=text,
                publisher=text,
                precision=text,
                capabilities=(text,),
                memory_peak_bytes=None,
                memory_unique_bytes=None,
                unmeasured={"memory_peak_bytes": text, "memory_unique_bytes": text},
                machine_watch=MachineWatch(
                    before=_probe(100), after=_probe(150), period_ns=1, late_ns=(1,), steal_share=None
                ),
                energy=Energy(source="estimate", joules=9.0, idle_watts=None, duration_ns=10**9),
                samples=tuple(samples),
            )
        )
    models[0] = models[0].model_copy(update={"load": _hostile_load(names[0]), "lengths": _hostile_lengths()})
    models[1] = models[1].model_copy(update={"load": _hostile_load(names[0])})
    broken = builders.failed_model(name=f"broken {HOSTILE_TEXTS[0]}", message=HOSTILE_TEXTS[4])
    skipped = builders.model_run(name=f"skipped {HOSTILE_TEXTS[1]}", skipped=HOSTILE_TEXTS[2], samples=())
    grades = [
        builders.grade({"f1": 0.5 if place % 2 else 1.0}, prompt=name, output=f"out{place}")
        for place, name in enumerate(names)
    ]
    started = builders.STARTED_UTC + timedelta(days=day)
    return builders.result(
        [*models, broken, skipped],
        started_utc=started,
        prompts=prompts,
        outputs=outputs,
        grades=tuple(grades),
        run=builders.run_info(
            started_utc=started, id=f"../{day}/{HOSTILE_TEXTS[0]}", tool_version=HOSTILE_TEXTS[1], dirty=True
        ),
        machine=builders.machine(
            os=HOSTILE_TEXTS[0], cpu=HOSTILE_TEXTS[1], power_source=HOSTILE_TEXTS[2], versions={HOSTILE_TEXTS[3]: "1"}
        ),
        config=builders.config(
            name=HOSTILE_TEXTS[5],
            overrides=(HOSTILE_TEXTS[4],),
            resolved={"energy": {"price_per_kwh": 0.3, "currency": HOSTILE_TEXTS[0]}},
        ),
    )


def _on_machine(name: str, day: int) -> Result:
    made = _hostile_result(day)
    run = made.run.model_copy(update={"id": f"{name}/{made.run.started_utc:%Y%m%dT%H%M%SZ}-0a1b2c3-default"})
    return made.model_copy(update={"run": run, "machine": made.machine.model_copy(update={"name": name})})


def _hostile_load(prompt: str) -> tuple[LoadLevel, ...]:
    levels = [steady_level(streams, 100 * streams) for streams in (1, 2, 4)]
    levels.append(
        load_level(
            [load_sample(1, scheduled_s=1), failed_load_sample(2, HOSTILE_TEXTS[0], scheduled_s=2)],
            rate_per_s=1.0,
            ended_early=HOSTILE_TEXTS[2],
        )
    )
    return tuple(
        level.model_copy(
            update={
                "samples": tuple(
                    sample.model_copy(update={"prompt": prompt, "output": sample.output and "out0"})
                    for sample in level.samples
                )
            }
        )
        for level in levels
    )


def _hostile_lengths() -> tuple[LengthCell, ...]:
    failure = Failure(kind=HOSTILE_TEXTS[1], message=HOSTILE_TEXTS[2])
    good = [cell_sample(128 * times, 16, 0.1 * times, 0.01, prompt=HOSTILE_TEXTS[0], output="out0") for times in (1, 4)]
    return (
        cell([good[0], builders.failed_sample(failure=failure)]),
        cell([good[1]], prompt_tokens=512),
        cell(prompt_tokens=4_096, skipped=HOSTILE_TEXTS[4]),
    )


def _probe(compute_ns: int) -> Probe:
    return Probe(compute_ns=compute_ns, memory_ns=1, cpu_hz=None, temperature_c=None, load_average=None)
