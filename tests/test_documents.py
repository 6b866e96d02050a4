"""The pages and help texts that are written by hand quote the constants that the program uses, as they are."""

import re
from collections.abc import Iterator

import click
import pytest
from pydantic import BaseModel

from bench.analysis.agreement import STATED_AGREEMENT
from bench.analysis.changes import FALSE_CONFIRMED, FALSE_SUSPECTED
from bench.analysis.cross_check import APART
from bench.analysis.measurements import STRETCHES
from bench.analysis.recommend import MARGIN
from bench.analysis.run_noise import RUNS_NEEDED
from bench.cli import main
from bench.config.settings import (
    Config,
    EnergySettings,
    LengthSettings,
    LoadSettings,
    SweepSettings,
    Timeouts,
)
from bench.metrics.client_error import TIMES_THE_ERROR
from bench.metrics.prompt_cache import AS_A_RULE, CHANCE, COLD_SHARE, FASTER, WARM_SHARE
from bench.models.build import BYTES_PER_WEIGHT, EXPANDED_BYTES_PER_WEIGHT
from bench.models.download import WINDOW_S, Patience
from bench.models.verify import AGAIN, PAIRS
from bench.providers.openai.server_process import WAIT_SHARE
from bench.providers.openai.sse import ALIKE, FEWEST_TOKENS, LATER_CHUNKS
from bench.providers.registry import SENT
from bench.quality.checks.language import FEWEST_HITS, FEWEST_WORDS
from bench.quality.checks.wording import MOST_REPEATED, RUN_WORDS, SENTENCE_WORDS
from bench.quality.judge.judging import FAILURES_IN_A_ROW, KEPT_CHARACTERS, READ_CHARACTERS
from bench.report import format as form
from bench.report.terminal import STREAMS
from bench.report.text import joined
from bench.runner.load.streams import FAILED_IN_A_ROW, MANY_SAMPLES, PAUSE_S, RELATIVE_ERROR
from bench.runner.supervise import GRACE_S
from bench.schema.review import SCORES
from bench.stats.bootstrap import RESAMPLES
from bench.stats.change_points import RUNS_BEFORE
from bench.stats.distribution import VALUES_NEEDED
from bench.stats.equivalence import FLOOR
from bench.stats.rater_agreement import ANSWERS_NEEDED
from tests.site_project import ROOT

LOWEST, HIGHEST = SCORES[0], SCORES[-1]
STATED = form.short(STATED_AGREEMENT)


def tight(words: str) -> str:
    """Return a percentage as these pages write it: 95%."""
    return words.replace(" %", "%")


WRITTEN = (
    ("README.md", "with fewer than {} samples there is no p95", VALUES_NEEDED["p95"]),
    ("README.md", "scored from {} by the facets", f"{LOWEST} to {HIGHEST}"),
    ("docs/commands.md", "sustains, with {} streams at once", joined([str(number) for number in STREAMS])),
    ("docs/commands.md", "A difference is *real* where its {} interval", tight(form.confidence())),
    ("docs/commands.md", "larger than the floor ({}, `--floor`)", tight(form.share(FLOOR))),
    ("docs/commands.md", "From {} runs of one context on", form.in_words(RUNS_NEEDED)),
    ("docs/commands.md", "interval is of {} stretches", form.in_words(STRETCHES)),
    ("docs/commands.md", "where the whole {} interval of the value", tight(form.confidence())),
    ("docs/commands.md", "decides from {} away from the limit", tight(form.share(MARGIN))),
    ("docs/commands.md", "after a pause of {} that doubles up to", f"{form.short(Patience.first_pause_s)} s"),
    ("docs/commands.md", "up to a minute, {} times in a row (`--retries`)", form.in_words(Patience.retries)),
    ("docs/models.md", "is that of the last {} seconds", form.short(WINDOW_S)),
    ("docs/models.md", "Else {} new prompts are asked twice", form.in_words(PAIRS)),
    ("docs/models.md", "their first text in less than {} of the time", form.fraction(AGAIN)),
    ("docs/configuration.md", "is killed {} after the limit", f"{form.short(GRACE_S)} seconds"),
    ("docs/configuration.md", "a stream pauses for {};", f"{PAUSE_S} s"),
    ("docs/configuration.md", "after {} in a row, or twice", FAILED_IN_A_ROW),
    ("docs/configuration.md", "above {} measured in a level", form.short(MANY_SAMPLES)),
    ("docs/configuration.md", "with a relative error of {},", tight(form.share(RELATIVE_ERROR))),
    ("docs/configuration.md", "becomes a score from {} (all)", f"{LOWEST} (none) to {HIGHEST}"),
    ("docs/judging.md", "facet by facet, from {} (fully met)", f"{LOWEST} (not met at all) to {HIGHEST}"),
    ("docs/judging.md", "On the scale from {} a program", f"{LOWEST} to {HIGHEST}"),
    ("docs/judging.md", "a program's credit *c* is {}*c*", f"{LOWEST} + {HIGHEST - LOWEST}"),
    ("docs/judging.md", "A whole number from {} is taken", f"{LOWEST} to {HIGHEST}"),
    ("docs/judging.md", "after {} questions in a row", form.in_words(FAILURES_IN_A_ROW)),
    ("docs/judging.md", "The first {} characters of such a reply", form.short(KEPT_CHARACTERS)),
    ("docs/judging.md", "replies above {} characters", form.short(READ_CHARACTERS)),
    ("docs/judging.md", "steps from {} count as equal", f"{LOWEST} to {HIGHEST}"),
    ("docs/judging.md", "Their {} intervals are", form.confidence()),
    ("docs/judging.md", "are bootstraps of {} resamples", form.short(RESAMPLES)),
    ("docs/judging.md", "With fewer than {} answers in common", ANSWERS_NEEDED),
    ("docs/judging.md", "over them) is below {} is flagged", STATED),
    ("docs/judging.md", "Above {} agreement is called substantial", STATED),
    ("docs/measuring.md", "smaller than {} times the error", form.in_words(TIMES_THE_ERROR)),
    ("docs/models.md", "up to {} bytes for each weight", joined([f"{size:g}" for size in BYTES_PER_WEIGHT.values()])),
    ("docs/models.md", "and {} more while a GGUF", EXPANDED_BYTES_PER_WEIGHT),
    ("docs/models.md", "--precision {}`", ",".join(BYTES_PER_WEIGHT)),
    ("docs/prompt-caches.md", "With at most {} of its tokens from there", tight(form.share(COLD_SHARE))),
    ("docs/prompt-caches.md", "from {} on it was kept", tight(form.share(WARM_SHARE))),
    ("docs/prompt-caches.md", "As a rule means in {} of", tight(form.share(AS_A_RULE))),
    ("docs/prompt-caches.md", "would do it in {} of such runs at most", tight(form.share(CHANCE))),
    ("docs/prompt-caches.md", "took {} times as long as the median", form.short(FASTER)),
    ("docs/prompt-caches.md", "that are more than {} apart are marked", tight(form.share(APART))),
    ("docs/prompt-caches.md", "looked for every {} of the time", tight(form.share(WAIT_SHARE))),
    ("docs/measuring.md", "only if it comes to {} or more", FEWEST_TOKENS),
    ("docs/measuring.md", "at least {} chunks came later", LATER_CHUNKS),
    ("docs/measuring.md", "and below {}, where an end token", FEWEST_TOKENS),
    ("docs/measuring.md", "between half and {} as long", {2: "twice"}[int(ALIKE)]),
    ("docs/configuration.md", "keys that are not sent: {}. Without", ", ".join(f"`{key}`" for key in SENT)),
    ("docs/prompt-sets.md", "a sentence of {} words or more", form.in_words(SENTENCE_WORDS)),
    ("docs/prompt-sets.md", "than `most` ({}) of whose runs", MOST_REPEATED),
    ("docs/prompt-sets.md", "of whose runs of {} words", form.in_words(RUN_WORDS)),
    ("docs/prompt-sets.md", "fewer than {} words, or", form.in_words(FEWEST_WORDS)),
    ("docs/prompt-sets.md", "or without {} common words", form.in_words(FEWEST_HITS)),
    ("docs/prompt-sets.md", "An answer's score is {} × the weighted", f"{LOWEST} + {HIGHEST - LOWEST}"),
    ("docs/prompt-sets.md", "from {} (everything met)", f"{LOWEST} (nothing met) to {HIGHEST}"),
    ("docs/prompt-sets.md", "the same facets from {}.", f"{LOWEST} to {HIGHEST}"),
    ("docs/changes-measured.md", "of the changes at one run {} of the confirmed", tight(form.share(FALSE_CONFIRMED))),
    ("docs/changes-measured.md", "and {} of the suspected may be false", tight(form.share(FALSE_SUSPECTED))),
    ("docs/changes-measured.md", "A history of fewer than {} runs says nothing", RUNS_BEFORE),
)
"""Pages, sentences with {} in the place of what stands there for a constant, and that."""


@pytest.mark.parametrize(("page", "sentence", "words"), WRITTEN)
def test_a_page_quotes_the_constant(page: str, sentence: str, words: object) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())

    assert sentence.format(words) in text, f"{page} says otherwise"


HELP = (
    ("compare", f"[default: {100 * FLOOR:.1f}; "),
    ("recommend", f"Quality, from {LOWEST} to {HIGHEST}."),
    ("annotate", f"{LOWEST} not met at all, {HIGHEST} fully met"),
)
"""Commands, and what their help says with a constant: it is written out, since help imports nothing that takes time."""


@pytest.mark.parametrize(("command", "words"), HELP)
def test_a_help_text_quotes_the_constant(command: str, words: str) -> None:
    found = main.commands[command].get_help(click.Context(main.commands[command], info_name=command))

    assert words in " ".join(found.split())


TABLES: dict[str, tuple[type[BaseModel], ...]] = {
    "rounds": (Config,),
    "prepare_s": (Timeouts,),
    "watts": (EnergySettings,),
    "streams": (LoadSettings,),
    "prompt_tokens": (LengthSettings,),
}
"""First key of a table of docs/configuration.md -> the settings that it lists."""


def documented_keys() -> Iterator[tuple[type[BaseModel], str, str, str]]:
    """Yield the settings, key, unit and default of each row of the tables in docs/configuration.md."""
    settings: tuple[type[BaseModel], ...] = ()
    for line in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")][1:-1]
        if len(cells) < 4 or not re.fullmatch(r"`[\w.]+`", cells[0]):
            settings = settings if line.startswith("|") else ()
            continue
        key = cells[0].strip("`")
        settings = settings or TABLES[key]
        outer, _, inner = key.rpartition(".")
        places: dict[str, type[BaseModel]] = {"": settings[0], "sweep": SweepSettings}
        one = places.get(outer)
        if one is not None:
            yield one, inner, cells[1], cells[2]


KEYS = tuple(documented_keys())


@pytest.mark.parametrize(("settings", "key", "unit", "default"), KEYS, ids=[key for _, key, _, _ in KEYS])
def test_a_documented_key_has_its_default_and_range(
    settings: type[BaseModel], key: str, unit: str, default: str
) -> None:
    field = settings.model_fields[key]
    value = field.default

    if default == "none":
        assert value in (None, ())
    elif isinstance(value, bool):
        assert default == str(value).lower()
    elif isinstance(value, tuple):
        assert default == ", ".join(map(str, value))
    elif isinstance(value, str):
        assert default.strip("`") == value
    else:
        assert float(default) == value
    found = re.search(r"([0-9,]+) to ([0-9,]+)", unit)
    if found and not isinstance(value, tuple):
        bounds = {name: getattr(one, name) for one in field.metadata for name in ("ge", "le") if hasattr(one, name)}
        assert tuple(int(end.replace(",", "")) for end in found.groups()) == (bounds["ge"], bounds["le"])
