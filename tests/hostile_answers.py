"""Answers, reasons, names and notes that would run, hide, or break the page around them, if they could."""

import json
from collections.abc import Mapping

from bench.schema.result import FacetGrade, Grade, Result
from bench.schema.review import FacetScore, PairVerdict, Verdict
from bench.store.files import Ledger, Refused
from bench.store.reviews import Reviews
from tests import builders
from tests.review_builders import annotations, judgement
from tests.site_project import HOSTILE_TEXTS

LONG = 1_000_000

ATTACKS: Mapping[str, str] = {
    "script": "<script>document.title = 'owned'</script><svg onload=\"document.title='owned'\">",
    "closing": "</div></section></details></td></tr></table></template></figure><h1>big</h1>"
    "<style>*{display:none}</style>",
    "image": "<img src=x onerror=alert(1)><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "markdown": "# Heading\n\n```\nfence\n```\n\n| a | b |\n|---|---|\n\n[link](javascript:alert(1)) ![i](x) <https://x.y>",
    "jinja": "{{ 7 * 7 }} {% for x in y %} {# hidden #} {{ config.items() }}",
    "vega": 'datum.x || alert(1) {"signal": "event"} [datum[\'x\']] ${alert(1)}',
    "hidden": "\u202egnp.exe\u202c \u2067isolated\u2069 zero\u200bwidth\ufeff join\u200der",
    "right-to-left": "שלום עולם, مرحبا بالعالم " * 20,
    "stacked": "".join(letter + "\u0341\u0353\u0489" * 40 for letter in "tall letters"),
    "null": "before\x00after \x02wzxhzdk:0\x03 \x1b[2Jcleared \x07",
    "nothing": "",
    "blank": " \n\t ",
    "long word": "w" * LONG,
    "long lines": "line\n" * (LONG // 5),
    "entities": "&lt;script&gt; &amp;#60; &#x3C;b&#x3E; \" ' ` \\",
    "marks": "<mark class='bl-for'>yes</mark> yes </mark></mark>",
}
"""What an answer may be -> the answer."""


def hostile_run(day: int = 0) -> Result:
    """Return a run in which two models give every answer; on another day they say the same and then something else."""
    rubric = (
        builders.facet(id="a", says=ATTACKS["closing"], check="contains_any", parameters={"values": ["yes", "w"]}),
        builders.facet(id="b", says=ATTACKS["markdown"], check="judged", parameters={}),
    )
    prompts = [
        builders.prompt(id=f"p{place:02}", title=f"Attack by {name}", text=name, facets=rubric)
        for place, name in enumerate(ATTACKS)
    ]
    models = [
        builders.model_run(
            name=model,
            samples=tuple(
                builders.sample(prompt=prompt.id, output=f"{prompt.id}-{turn % turns}", round=turn, position=place)
                for turn in (1, 2)
                for place, prompt in enumerate(prompts)
            ),
        )
        for model, turns in ((ATTACKS["vega"], 1), ("steady", 1), (ATTACKS["hidden"], 2))
    ]
    texts = {
        f"p{place:02}-{turn}": text + (f" {turn}{day}" if text.strip() and (turn or day) else "")
        for place, text in enumerate(ATTACKS.values())
        for turn in (0, 1)
    }
    grades = tuple(
        Grade(
            prompt=prompt.id,
            output=f"{prompt.id}-{turn}",
            source="program",
            facets=(
                FacetGrade(facet="a", credit=turn * 1.0, why=f"has 'yes', 'w', '{ATTACKS['closing'][:60]}'"),
                FacetGrade(facet="b", credit=None, why=ATTACKS["script"]),
            ),
        )
        for prompt in prompts
        for turn in (0, 1)
    )
    return builders.result(
        models,
        prompts=prompts,
        outputs=texts,
        grades=grades,
        started_utc=builders.STARTED_UTC.replace(day=5 + day),
    )


def hostile_reviews(result: Result) -> Reviews:
    """Return reviews by a judge and people whose names, reasons and notes attack."""
    keys = [(prompt.id, f"{prompt.id}-{turn}") for prompt in result.prompt_set.prompts for turn in (0, 1)]
    attacks = list(ATTACKS.values())
    verdicts = [
        Verdict(
            kind="answer",
            prompt=prompt,
            output=output,
            reading=reading,
            facets=(
                FacetScore(facet="a", score=1 + place % 5, why=attacks[place % len(attacks)]),
                FacetScore(facet="b", score=None, why=attacks[-1 - place % len(attacks)]),
            ),
            reply=attacks[place % len(attacks)],
            problem=attacks[place % len(attacks)],
        )
        for reading in (1, 2)
        for place, (prompt, output) in enumerate(keys)
    ]
    pairs = [
        PairVerdict(
            kind="pair", prompt="p00", first=one, second=two, better="first", why=attacks[0], reply=None, problem=None
        )
        for one, two in (("p00-0", "p00-1"), ("p00-1", "p00-0"))
    ]
    made = judgement(*verdicts, *pairs, run=result)
    header = made.header.model_copy(
        update={"judge": ATTACKS["script"], "variant_id": ATTACKS["closing"], "variant_version": ATTACKS["hidden"]}
    )
    people = []
    for name in (ATTACKS["image"], ATTACKS["stacked"]):
        scores = {key: {"a": 5 - place % 5, "b": 1 + place % 5} for place, key in enumerate(keys)}
        scores |= {("p00", ATTACKS["jinja"]): {ATTACKS["markdown"]: 3}}
        person = annotations(scores, annotator=name, run=result.run.id)
        noted = [
            entry.model_copy(update={"note": attacks[place % len(attacks)]})
            for place, entry in enumerate(person.entries)
        ]
        people.append(person.model_copy(update={"entries": tuple(noted)}))
    refused = tuple(Refused(f"{result.run.id}.by-{text[:40]}.yaml", text[:500]) for text in (*HOSTILE_TEXTS, *attacks))
    return Reviews((type(made)(header, made.verdicts, made.pairs, ()),), tuple(people), refused)


def hostile_ledger() -> tuple[Ledger, dict[str, Reviews]]:
    """Return a ledger of two hostile runs, the newer one reviewed."""
    old, new = hostile_run(), hostile_run(day=1)
    return Ledger((old, new), ()), {new.run.id: hostile_reviews(new)}


def whole_answer(data: str, output: str) -> str:
    """Return an answer out of the file of a run that a page offers."""
    text = json.loads(data)["outputs"][output]
    assert isinstance(text, str)
    return text
