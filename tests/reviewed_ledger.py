"""A ledger with reviews whose agreement can be worked out by hand: twelve prompts, two models, two judges, a person.

The model steady says 'yes' to every prompt, the model other says 'no' to every one; the rubric wants 'yes'. A person
scored the first twelve answers as the program did. The judge right does so on all of them; the judge wrong, which is
the model other, says 5 for 1 and 1 for 5.
"""

from collections.abc import Mapping
from datetime import timedelta

from bench.config.settings import Config
from bench.providers.protocol import Identity
from bench.quality.judge.judging import Asking
from bench.quality.judge.judging import header as asked_header
from bench.schema.result import FacetGrade, Grade, Result
from bench.schema.review import FacetScore, Judgement, PairVerdict, Verdict
from bench.store.files import Ledger, Refused
from bench.store.reviews import Reviews
from tests import builders
from tests.review_builders import annotations, pair

PROMPTS = tuple(f"p{number:02}" for number in range(1, 13))
SAID = {"steady": "yes, {0}, by 5 May", "other": "no, not {0}"}
WHY = {1: "it says nothing of it", 5: "it says so"}


def output(model: str, prompt: str) -> str:
    """Return the key of a model's answer to a prompt."""
    return f"{model}-{prompt}"


def reviewed_run(day: int = 0, outputs: Mapping[str, str] | None = None, machine: str = "laptop") -> Result:
    """Return the run of a day; `outputs` replaces texts by key."""
    rubric = (
        builders.facet(id="says-yes", says="It says yes.", check="contains_any", parameters={"values": ["yes"]}),
        builders.facet(id="clear", says="It is clear.", check="judged", parameters={}),
    )
    prompts = [builders.prompt(id=name, title=f"Question {name}", text=f"{name}?", facets=rubric) for name in PROMPTS]
    models = [
        builders.model_run(
            name=model,
            requested=f"{model}-alias",
            variant_id=f"{model}-generic-cpu:1",
            samples=tuple(
                builders.sample(prompt=name, output=output(model, name), round=turn, position=place)
                for turn in (1, 2)
                for place, name in enumerate(PROMPTS)
            ),
        )
        for model in SAID
    ]
    texts = {output(model, name): text.format(name) for model, text in SAID.items() for name in PROMPTS}
    grades = tuple(
        Grade(
            prompt=name,
            output=output(model, name),
            source="program",
            facets=(
                FacetGrade(facet="says-yes", credit=credit, why=why),
                FacetGrade(facet="clear", credit=None, why="only a judge or a person can tell"),
            ),
        )
        for model, credit, why in (("steady", 1.0, "has 'yes'"), ("other", 0.0, "has none of 'yes'"))
        for name in PROMPTS
    )
    return builders.result(
        models,
        machine_name=machine,
        started_utc=builders.STARTED_UTC + timedelta(days=day),
        prompts=prompts,
        outputs=texts | dict(outputs or {}),
        grades=grades,
    )


def reviews(result: Result) -> Reviews:
    """Return what two judges and a person said of the run."""
    keys = [(name, output(model, name)) for name in PROMPTS for model in SAID]
    right = {key: 5 if key[1].startswith("steady") else 1 for key in keys}
    wrong = {key: 6 - score for key, score in right.items()}
    scored = {key: {"says-yes": right[key], "clear": right[key]} for key in keys[:12]}
    return Reviews(
        judgements=(
            judged(result, "right", right, pair("p01", "steady-p01", "other-p01", "first")),
            judged(result, "other-alias", wrong),
        ),
        annotations=(annotations(scored, run=result.run.id),),
        refused=(Refused(f"{result.run.id}.by-bob.yaml", "line 3: entries: must be a list"),),
    )


def judged(result: Result, judge: str, scores: Mapping[tuple[str, str], int], *pairs: PairVerdict) -> Judgement:
    """Return the judgement of a judge that gives an answer's first facet a score, and whose second cannot be read."""
    config = Config.model_validate({"models": [{"alias": judge}]})
    identity = Identity(variant_id=f"{judge}-generic-cpu:3", variant_version="3", device="CPU")
    header = asked_header(result, Asking(config, 20, 20, 42, False), identity, builders.STARTED_UTC)
    verdicts = tuple(
        Verdict(
            kind="answer",
            prompt=prompt,
            output=key,
            reading=1,
            facets=(
                FacetScore(facet="says-yes", score=score, why=WHY[score]),
                FacetScore(facet="clear", score=None, why="the reply has no score for it"),
            ),
            reply="5",
            problem="no score for clear",
        )
        for (prompt, key), score in scores.items()
    )
    return Judgement(header, verdicts, pairs, ())


def reviewed_ledger() -> tuple[Ledger, dict[str, Reviews]]:
    """Return a ledger of one reviewed run, and its reviews by run id."""
    run = reviewed_run()
    return Ledger((run,), ()), {run.run.id: reviews(run)}
