"""A project whose ledger and cache a test spoils step by step, to see that its site stays that of a build from nothing.

Machines differ in what they run: load, a second prompt set, another wording of one prompt, models of their own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from click.testing import CliRunner, Result

from bench.cli import main
from bench.schema.load import LoadLevel
from bench.schema.model_run import ModelRun
from bench.store.files import save
from tests import builders
from tests.builders import MILLISECOND_NS as MS
from tests.load_builders import steady_level
from tests.site_project import ROOT, drawn_once

MACHINES = ("anna", "bert.local", "carl", "dora", "emil", "frida")
OF_ALL = ("tiny", "small", "big-1.5")
PROMPTS = ("p1", "p2", "p3")
REWORDED = "carl"
LOADED = ("anna", "bert.local", "carl", "dora", "emil")
OF_TWO_SETS = ("dora", "frida")
ROUNDS = 4


def write_run(results: Path, machine: str, day: int, seed: int, models: tuple[str, ...] = OF_ALL) -> Path:
    """Write a run of a machine and a day, and return its path; the same arguments give the same bytes."""
    rng = np.random.default_rng([seed, abs(day), *machine.encode()])
    second_set = machine in OF_TWO_SETS and day % 2 == 1
    prompts = [
        builders.prompt(id=name, text=f"Say {name}{', please' if machine == REWORDED and name == 'p2' else ''}.")
        for name in PROMPTS[: 2 if second_set else 3]
    ]
    made = [_model(rng, machine, name, [one.id for one in prompts]) for name in models]
    answers = {sample.output for model in made for sample in model.samples if sample.output is not None}
    result = builders.result(
        made,
        machine_name=machine,
        started_utc=builders.STARTED_UTC + timedelta(days=day, minutes=len(machine)),
        commit=f"{abs(day):010x}",
        prompt_set=builders.prompt_set(
            prompts,
            id="other" if second_set else "test",
            title="Other prompts" if second_set else "Test prompts",
            sha256=("6" if second_set else "7" if machine == REWORDED else "5") * 64,
        ),
        outputs={name: f"text of {name}" for name in sorted(answers)},
        grades=tuple(
            builders.grade({"f1": float(len(name) % 2)}, prompt=name.partition("-")[0], output=name)
            for name in sorted(answers)
        ),
    )
    return save(result, results)


def _model(rng: np.random.Generator, machine: str, name: str, prompts: list[str]) -> ModelRun:
    level = float(np.exp(rng.normal(0, 0.1)))
    samples = []
    start_ns = 0
    for position in range(len(prompts) * ROUNDS):
        prompt = prompts[position % len(prompts)]
        first_ns = round(100 * MS * level * float(np.exp(rng.normal(0, 0.05))))
        chunk_ns = tuple(first_ns + 20 * MS * number for number in range(4))
        fields: dict[str, Any] = {
            "prompt": prompt,
            "round": position // len(prompts) + 1,
            "position": position,
            "start_ns": start_ns,
            "chunk_ns": chunk_ns,
            "end_ns": chunk_ns[-1] + MS,
            "output_tokens": 4,
            "output": f"{prompt}-{name}-{'x' * int(rng.integers(1, 3))}",
        }
        samples.append(builders.sample(**fields))
        start_ns += chunk_ns[-1] + 2 * MS
    load: tuple[LoadLevel, ...] = ()
    if machine in LOADED and name == "tiny":
        load = tuple(
            level.model_copy(
                update={
                    "samples": tuple(
                        one.model_copy(update={"prompt": "p1", "output": samples[0].output}) for one in level.samples
                    )
                }
            )
            for level in (steady_level(streams, 100 * streams * float(rng.uniform(0.5, 1))) for streams in (1, 2))
        )
    return builders.model_run(
        name=name,
        memory_peak_bytes=int(rng.integers(70_000_000, 80_000_000)),
        samples=tuple(samples),
        load=load,
    )


def write_review(result_path: Path, results: Path, score: int) -> Path:
    """Write a person's scores of a run's first answers over those that the person gave before; return the path."""
    run_id = result_path.relative_to(results).as_posix().removesuffix(".json")
    found = re.findall(r'"(p\d-[^"]+)": "text of', result_path.read_text(encoding="utf-8"))
    review = {
        "schema_version": 1,
        "run": run_id,
        "annotator": "ann",
        "date": builders.STARTED_UTC.date(),
        "entries": [
            {"prompt": output.partition("-")[0], "output": output, "facets": {"f1": score}} for output in found[:3]
        ],
    }
    path = result_path.with_name(f"{result_path.stem}.by-ann.yaml")
    path.write_text(yaml.safe_dump(review), encoding="utf-8")
    return path


def replace_in_place(path: Path) -> None:
    """Change a number of a result file, and neither the size nor the time of the file."""
    stat = path.stat()
    text = path.read_text(encoding="utf-8")
    # The second digit: the number stays one that can be.
    changed = re.sub(
        r'("memory_peak_bytes": 7)(\d)',
        lambda found: f"{found[1]}{(int(found[2]) + 1) % 10}",
        text,
        count=1,
    )
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


COLD: dict[tuple[tuple[Path, bytes], ...], dict[str, bytes]] = {}
"""What builds from nothing wrote, by the files that they were made from."""


class Project:
    """A folder with a mkdocs.yml and documentation of its own, and results."""

    @classmethod
    def new(cls, root: Path) -> "Project":
        """Make the folder, without a result."""
        shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("report", "index.md"))
        shutil.copy(ROOT / "mkdocs.yml", root)
        (root / "results").mkdir()
        return cls(root)

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = root / "results"
        self.docs = root / "docs"
        self.cache = root / ".cache" / "site"
        self.templates = root / "site_templates"

    def runs(self) -> list[Path]:
        """Return the result files, sorted by path."""
        return sorted(self.results.rglob("*.json"))

    def arguments(self, *words: str) -> list[str]:
        """Return the arguments of a command for this project."""
        return [*words, "--project", str(self.root), "--results", str(self.results)]

    def build(self, whole: bool = False) -> Result:
        """Write the pages as the command line does, and the site of them where it is to be whole."""
        done = CliRunner().invoke(main, self.arguments("site", *(() if whole else ("--pages-only",))))
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    def pages(self) -> dict[str, bytes]:
        """Return everything that a build wrote, by its place in the documentation."""
        return pages_in(self.docs)

    def cold(self, root: Path) -> dict[str, bytes]:
        """Return what a build of the same files writes in a new folder, without any cache of numbers and pages.

        It is built once in a process for the same results and templates.
        """
        sources = [path for place in (self.results, self.templates) for path in sorted(place.rglob("*"))]
        key = tuple((path.relative_to(self.root), path.read_bytes()) for path in sources if path.is_file())
        if key not in COLD:
            shutil.rmtree(root, ignore_errors=True)
            made = Project.new(root)
            shutil.copytree(self.results, made.results, dirs_exist_ok=True)
            if self.templates.is_dir():
                shutil.copytree(self.templates, made.templates)
            with drawn_once(made.cache):
                made.build()
            COLD[key] = made.pages()
        return COLD[key]


def started(project: Project, *words: str) -> subprocess.Popen[str]:
    """Start a command for a project in a process of its own."""
    command = [sys.executable, "-m", "bench", *project.arguments(*words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def bench(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command for a project in a process of its own, and have it end well."""
    process = started(project, *words)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, (stdout, stderr)
    return subprocess.CompletedProcess(process.args, 0, stdout, stderr)


def pages_in(docs: Path) -> dict[str, bytes]:
    """Return everything that a build wrote into a folder of documentation, by its place there."""
    paths = [docs / "index.md", *(path for path in (docs / "report").rglob("*") if path.is_file())]
    return {path.relative_to(docs).as_posix(): path.read_bytes() for path in paths}


def differences(found: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> list[str]:
    """Return the names of files that are in one only, or that differ."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
