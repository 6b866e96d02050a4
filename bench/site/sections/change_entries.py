"""The shifts of one model at one run, as a reader sees them: in words, in rows, with their suspects."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.analysis.changes import LevelShift, Status
from bench.analysis.contexts import IN_TURNS, ONE_STREAM, Context, Differing
from bench.analysis.history import SeriesKey
from bench.analysis.measurements import WHOLE, Stratum, watched
from bench.metrics.registry import header
from bench.report import format as form
from bench.report.comparison import ARROWS
from bench.report.tables import Cell, Table, name_column, table, text_column
from bench.report.text import anchor, joined, shortened
from bench.schema.result import Result
from bench.site.charts.figures import plain

PAGE: Final = "report/changes.html"
"""The page that has every entry, from the site's root."""

Direction = Literal["better", "worse", "mixed"]

DIRECTIONS: Final[Mapping[Direction, str]] = {
    "better": ARROWS["better"],
    "worse": ARROWS["worse"],
    "mixed": "▲▼ better and worse",
}
"""Direction of an entry -> the words of its mark."""

VALUE_LENGTH: Final = 60
"""Characters of a noted value that a page shows."""

MOST_SUSPECTS: Final = 6
"""Suspects that a sentence names, the likelier ones first; `bench compare` has them all."""

NEIGHBOURS: Final = 1
"""Runs by which shifts of one model may be apart to be one entry: noise moves the first run of a new level."""


@dataclass(frozen=True)
class Entry:
    """What shifted for one model at one run: its shifts of whole runs in their order, then prompt by prompt.

    Those of its levels of load come after those of whole runs, and are among them. It is confirmed where one of its
    shifts is. `sure` are the shifts that are as sure as the entry, of whole runs, or of prompts where there is no such.
    `leading` stands for all: the first of the sure ones that begin where most do.
    """

    id: str
    model: str
    status: Status
    leading: LevelShift
    sure: tuple[LevelShift, ...]
    whole: tuple[LevelShift, ...]
    by_prompt: tuple[LevelShift, ...]

    @property
    def machine(self) -> str:
        """The machine on which it shifted."""
        return self.after.machine.name

    @property
    def after(self) -> Result:
        """The first run at the new level, by most of its shifts."""
        return self.leading.after

    @property
    def href(self) -> str:
        """The address of the entry, from the site's root."""
        return f"{PAGE}#{self.id}"


def entries(shifts: Iterable[LevelShift]) -> tuple[Entry, ...]:
    """Return shifts grouped by model and run, the newest run first. Shifts at neighbouring runs are one entry.

    What shifts at one run with one stream and at levels of load is one entry.
    """
    histories: dict[tuple[Context, str], list[LevelShift]] = {}
    for one in shifts:
        histories.setdefault((one.key.context, one.key.model), []).append(one)
    by_run: dict[tuple[Context, str, str], list[LevelShift]] = {}
    for (context, model), some in histories.items():
        for group in _groups(some):
            by_run.setdefault((without_level(context), model, _leading(_sure(group)).after.run.id), []).extend(group)
    made = [_entry(group) for group in by_run.values()]
    return tuple(sorted(made, key=lambda one: (one.after.run.started_utc, one.after.run.id), reverse=True))


def without_level(context: Context) -> Context:
    """Return the context of a model's own samples in a run, given that of one of its levels of load."""
    return context._replace(load=f"{ONE_STREAM}, {IN_TURNS}" if context.load.endswith(IN_TURNS) else ONE_STREAM)


def _groups(some: Iterable[LevelShift]) -> list[list[LevelShift]]:
    groups: list[list[LevelShift]] = []
    for one in sorted(some, key=lambda one: one.place):
        # Measured from the first of a group: a chain of neighbours could be as long as the history.
        if groups and one.place - groups[-1][0].place <= NEIGHBOURS:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _entry(some: Sequence[LevelShift]) -> Entry:
    sure = _sure(some)
    leading = _leading(sure)
    return Entry(
        id=f"change-{anchor(leading.after.run.id)}-{anchor(leading.key.model)}",
        model=leading.key.model,
        status=leading.change.status,
        leading=leading,
        sure=sure,
        whole=tuple(_whole(some)),
        by_prompt=tuple(one for one in some if one.key.prompt is not None),
    )


def _whole(some: Iterable[LevelShift]) -> list[LevelShift]:
    return sorted((one for one in some if one.key.prompt is None), key=lambda one: _order(one.key))


def _sure(some: Sequence[LevelShift]) -> tuple[LevelShift, ...]:
    """Return the shifts that are as sure as the surest, of whole runs, or of prompts where there is no such."""
    status: Status = "confirmed" if any(one.change.status == "confirmed" for one in some) else "suspected"
    whole = tuple(one for one in _whole(some) if one.change.status == status)
    return whole or tuple(one for one in some if one.change.status == status)


def _leading(sure: Sequence[LevelShift]) -> LevelShift:
    """Return the first of the shifts that begin where most do."""
    runs = Counter(one.after.run.id for one in sure)
    return max(sure, key=lambda one: (runs[one.after.run.id], -one.after.run.started_utc.timestamp()))


def _order(key: SeriesKey) -> tuple[float, ...]:
    """Return where a metric stands among those of whole runs: levels of load come after."""
    if key.level is None:
        return (watched(WHOLE).index(key.metric_id),)
    return (len(watched(WHOLE)), *key.level.place, watched(Stratum(level=key.level)).index(key.metric_id))


def label(key: SeriesKey) -> str:
    """Return what the metric of a series is called: 'Latency p95'."""
    return header(key.metric_id)


def full_label(key: SeriesKey) -> str:
    """Return the same with the level of load, where it is of one: 'Latency p95 (closed loop, 16 streams)'."""
    return label(key) if key.level is None else f"{label(key)} ({key.level.words})"


def size(one: LevelShift) -> str:
    """Return how large a shift is, with its interval: '−10.8 % (−12.0 % to −9.5 %)'."""
    return f"{form.effect(one.change.effect)} ({_interval(one)})"


def levels_text(one: LevelShift) -> str:
    """Return the levels before and after in one unit."""
    unit = one.key.metric.unit
    before, after = one.change.before, one.change.after
    if unit == "score":
        return f"{form.score(before)} → {form.with_unit(after, unit)}"
    return form.pair(before, after, unit)


def runs_text(one: LevelShift) -> str:
    """Return how many runs agree."""
    if one.change.runs == 0:
        return "none on a steady machine"
    return form.count(one.change.runs, "run")


def in_short(entry: Entry, most: int = 2) -> str:
    """Return the first of the sure shifts in a clause: 'Decode speed −10.8 %, ITL p99 +11.9 % and 3 more'."""
    shown = entry.sure
    named = [f"{full_label(one.key)} {form.effect(one.change.effect)}" for one in shown[:most]]
    rest = len(shown) - len(named)
    return f"{', '.join(named)} and {rest} more" if rest else joined(named)


def direction(entry: Entry) -> Direction:
    """Return whether the sure shifts of an entry are for the better, for the worse, or both."""
    verdicts = {one.verdict for one in entry.sure}
    return "mixed" if len(verdicts) > 1 else verdicts.pop()


def verdict_text(entry: Entry) -> str:
    """Return how many of the sure shifts are for the better and for the worse: '5 metrics are worse'."""
    shown = entry.sure
    of_prompts = shown[0].key.prompt is not None
    noun = "metric of a prompt" if of_prompts else "metric"
    many = "metrics of prompts" if of_prompts else "metrics"
    counted = []
    for verdict in ("worse", "better"):
        some = sum(one.verdict == verdict for one in shown)
        if some:
            counted.append(f"{form.count(some, noun, many)} {'is' if some == 1 else 'are'} {verdict}")
    return joined(counted)


def suspect_texts(suspects: Sequence[Differing]) -> tuple[str, ...]:
    """Return each suspect with what it was and is: 'onnxruntime 1.30.0 → 1.31.0'."""
    return tuple(f"{_cut(one.words)} {_cut(one.before)} → {_cut(one.after)}" for one in suspects)


def suspect_sentence(suspects: Sequence[Differing]) -> str:
    """Return the suspects as a sentence, or that nothing that is noted changed.

    The commit is named only where it is the only one: it is another one in nearly every run.
    """
    named = suspect_texts([one for one in suspects if one.words != "commit"])
    if named:
        rest = len(named) - MOST_SUSPECTS
        more = f"; and {rest} more" if rest > 0 else ""
        return f"Changed with it: {'; '.join(named[:MOST_SUSPECTS])}{more}."
    if suspects:
        return f"Nothing that is noted changed but the {joined(suspect_texts(suspects))}."
    return "Nothing that is noted changed between the two runs."


def shift_table(
    caption: str, shown: Sequence[LevelShift], entry: Entry | None = None, titles: Sequence[str] = ()
) -> Table:
    """Return shifts as rows: what, by how much, from where to where, and how many runs agree.

    `titles` name what the rows are of, where that is not all prompts of a model together. A row that is of a level of
    load, begins at another run than `entry`, or is less sure, says so.
    """
    names = [
        Cell(label(one.key), small=" · ".join(part for part in (title, _load(one), _other_run(one, entry)) if part))
        for one, title in zip(shown, titles or [""] * len(shown), strict=True)
    ]
    verdicts = [Cell(ARROWS[one.verdict].replace(" ", form.NO_BREAK), small=_less_sure(one, entry)) for one in shown]
    sizes = [Cell(form.effect(one.change.effect), small=_interval(one)) for one in shown]
    return table(
        caption,
        [
            name_column("Metric", names),
            text_column("Change", sizes, numeric=True),
            text_column("Verdict", verdicts),
            text_column("Before → after", [levels_text(one) for one in shown], numeric=True),
            text_column("Agreeing", [runs_text(one) for one in shown], numeric=True),
        ],
    )


def prompt_title(one: LevelShift) -> str:
    """Return the title of the prompt that a shift is of; empty where it is of them all."""
    return next((prompt.title for prompt in one.after.prompt_set.prompts if prompt.id == one.key.prompt), "")


def _load(one: LevelShift) -> str:
    return "" if one.key.level is None else one.key.level.words


def _other_run(one: LevelShift, entry: Entry | None) -> str:
    if entry is None or one.after.run.id == entry.after.run.id:
        return ""
    return f"from {form.minute(one.after.run.started_utc)} on"


def _less_sure(one: LevelShift, entry: Entry | None) -> str:
    status = "confirmed" if entry is None else entry.status
    return one.change.status if one.change.status != status else ""


def _interval(one: LevelShift) -> str:
    return f"{form.effect(one.change.low)} to {form.effect(one.change.high)}"


def _cut(value: str) -> str:
    return shortened(plain(value), VALUE_LENGTH)
