"""A run and reviews of it for tests: two prompts, three models, five distinct answers."""

import json
from collections.abc import Mapping
from typing import Any

from bench.config.settings import Config
from bench.providers.protocol import Identity
from bench.quality.judge.judging import Asking
from bench.quality.judge.judging import header as asked_header
from bench.schema.result import Result
from bench.schema.review import Annotation, Annotations, FacetScore, Judgement, PairVerdict, Verdict
from tests.builders import STARTED_UTC, facet, grade, model_run, prompt, result, sample

RUN = "laptop/20260105T090000Z-1a2b3c4d5e-default"
OUTPUTS = {"aa": "Paris.", "bb": "It is Paris, on the Seine.", "cc": "Rome.", "dd": "5", "ee": "It is 6."}


def reviewed_result(**fields: Any) -> Result:
    """Return the run: big and mid say 'aa' to p1, mid and small say 'ee' to p2, and p3 has no rubric."""
    prompts = [
        prompt(id="p1", facets=(facet(id="right", weight=3.0), facet(id="short", says="is one sentence"))),
        prompt(id="p2", title="A sum", text="2 + 3?", facets=(facet(id="right", says="is five"),)),
        prompt(id="p3", title="No rubric", text="Hello?", facets=()),
    ]
    answered = {"big": ("aa", "dd"), "mid": ("aa", "ee"), "small": ("cc", "ee")}
    models = [
        model_run(
            name=name,
            requested=f"{name}-alias",
            variant_id=f"{name}-generic-cpu:1",
            samples=(
                sample(prompt="p1", output=first),
                sample(prompt="p1", output="bb" if name == "big" else first, round=2),
                sample(prompt="p2", output=second),
                sample(prompt="p3", output="dd"),
            ),
        )
        for name, (first, second) in answered.items()
    ]
    grades = (
        grade({"right": 1.0, "short": 1.0}, prompt="p1", output="aa"),
        grade({"right": 1.0, "short": 0.5}, prompt="p1", output="bb"),
        grade({"right": 0.0, "short": 1.0}, prompt="p1", output="cc"),
        grade({"right": 1.0}, prompt="p2", output="dd"),
        grade({"right": 0.0}, prompt="p2", output="ee"),
    )
    return result(models, prompts=prompts, outputs=OUTPUTS, grades=grades, **fields)


def verdict(prompt: str, output: str, scores: Mapping[str, int | None], reading: int = 1) -> Verdict:
    """Return a verdict; a score of None is one that could not be read."""
    whole = None not in scores.values()
    return Verdict(
        kind="answer",
        prompt=prompt,
        output=output,
        reading=1 if reading == 1 else 2,
        facets=tuple(FacetScore(facet=name, score=score, why="so") for name, score in scores.items()),
        reply=None if whole else "a reply",
        problem=None if whole else "a problem",
    )


def pair(prompt: str, first: str, second: str, better: Any) -> PairVerdict:
    """Return the verdict on a pair."""
    return PairVerdict(
        kind="pair", prompt=prompt, first=first, second=second, better=better, why="so", reply=None, problem=None
    )


def judgement(*entries: Verdict | PairVerdict, judge: str = "judy", run: Result | None = None) -> Judgement:
    """Return a judgement by a judge that is none of the models."""
    config = Config.model_validate({"models": [{"alias": judge}]})
    identity = Identity(variant_id=f"{judge}-generic-cpu:3", variant_version="3", device="CPU")
    head = asked_header(run or reviewed_result(), Asking(config, 20, 20, 42, False), identity, STARTED_UTC)
    return Judgement(
        head,
        tuple(one for one in entries if isinstance(one, Verdict)),
        tuple(one for one in entries if isinstance(one, PairVerdict)),
        (),
    )


def annotations(
    scores: Mapping[tuple[str, str], Mapping[str, int]], annotator: str = "ann", **fields: Any
) -> Annotations:
    """Return a person's file."""
    defaults: dict[str, Any] = {
        "schema_version": 1,
        "run": RUN,
        "annotator": annotator,
        "date": STARTED_UTC.date(),
        "entries": tuple(
            Annotation(prompt=name, output=output, facets=dict(given)) for (name, output), given in scores.items()
        ),
    }
    return Annotations(**(defaults | fields))


def judge_lines(judgement: Judgement) -> str:
    """Return the text of a judge's file."""
    records = (judgement.header, *judgement.verdicts, *judgement.pairs, *judgement.sittings)
    return "".join(json.dumps(record.model_dump(mode="json")) + "\n" for record in records)
