"""Every threshold, share and limit that a page names, as the page words it: templates and sections take them from here.

A number stands in a sentence because the program uses it: the sentence has it from the constant that is used.
"""

from bench.analysis.changes import FALSE_CONFIRMED, FALSE_SUSPECTED, RUNS_TO_SUSPECT
from bench.analysis.changes import FLOOR as CHANGE_FLOOR
from bench.analysis.compare import STRETCHES
from bench.analysis.level_intervals import VALUES_NEEDED as LEVEL_VALUES_NEEDED
from bench.analysis.outliers import (
    INTERACTION_FLOOR,
    MINIMUM_PEERS,
    MODELS_NEEDED,
    OUTLIER_FLOOR,
    PROMPTS_NEEDED,
    THRESHOLD,
)
from bench.analysis.ranking import LEVEL
from bench.analysis.run_noise import RUNS_NEEDED
from bench.analysis.trust import DRIFT_LIMIT, LATE_MEDIAN_LIMIT_S, LATE_WORST_LIMIT_S, STEAL_LIMIT
from bench.metrics.client_error import TIMES_THE_ERROR
from bench.metrics.load import CLIENT_LIMIT
from bench.metrics.saturation import GROWTH_LIMIT, KEPT_SHARE, KNEE_LEVELS, KNEE_SHARE, REQUESTS_NEEDED
from bench.metrics.timing import NANOSECONDS_PER_SECOND, STALL_NS
from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.report import format as form
from bench.schema.migrate import NOT_YET
from bench.site.charts.kinds import LOG_FROM_RATIO
from bench.site.pages.agreement import ALPHA_WORDS, KAPPA_WORDS
from bench.site.pages.verdicts import PROMPTS, ROUNDS, RUNS
from bench.site.sections.badges import FEW_SAMPLES, SHARED_LIMIT
from bench.stats.bootstrap import RESAMPLES
from bench.stats.change_points import RUNS_BEFORE, RUNS_TO_CONFIRM
from bench.stats.distribution import VALUES_NEEDED
from bench.stats.equivalence import FLOOR, SCORE_FLOOR
from bench.stats.rater_agreement import ANSWERS_NEEDED


def limits() -> dict[str, str]:
    """Return the words of each limit by its name in a template."""
    return {
        "answers_enough": form.in_words(2 * ANSWERS_NEEDED),
        "answers_needed": form.in_words(ANSWERS_NEEDED),
        "alpha_reliable": form.short(ALPHA_WORDS[0][0]),
        "alpha_tentative": form.short(ALPHA_WORDS[1][0]),
        "before": form.short(RUNS_BEFORE),
        "change": form.share(CHANGE_FLOOR),
        "client": form.share(CLIENT_LIMIT),
        "confidence": form.confidence(),
        "confirm": form.short(RUNS_TO_CONFIRM),
        "drift": form.share(DRIFT_LIMIT),
        "due": form.short(REQUESTS_NEEDED),
        "false_confirmed": form.share(FALSE_CONFIRMED),
        "false_suspected": form.share(FALSE_SUSPECTED),
        "few": form.short(FEW_SAMPLES),
        "floor": form.share(FLOOR),
        "growth": form.with_unit(GROWTH_LIMIT, "s"),
        "highest_score": str(HIGHEST_SCORE),
        "interaction": form.share(INTERACTION_FLOOR),
        "interaction_models": form.in_words(MODELS_NEEDED),
        "interaction_prompts": form.in_words(PROMPTS_NEEDED),
        "kappa": _scale(KAPPA_WORDS),
        "kept": form.share(KEPT_SHARE),
        "knee": form.share(KNEE_SHARE),
        "knee_less": form.fraction(1 - KNEE_SHARE),
        "knee_levels": form.short(KNEE_LEVELS),
        "late_median": form.with_unit(LATE_MEDIAN_LIMIT_S, "s"),
        "late_worst": form.with_unit(LATE_WORST_LIMIT_S, "s"),
        **{f"level_{name}": form.short(needed) for name, needed in LEVEL_VALUES_NEEDED.items()},
        "log_from": form.in_words(LOG_FROM_RATIO),
        "lost": form.share(1 - KEPT_SHARE),
        "lowest_score": str(LOWEST_SCORE),
        "not_yet": NOT_YET,
        "outlier": form.short(THRESHOLD),
        "outlier_floor": form.share(OUTLIER_FLOOR),
        "outlier_peers": form.in_words(MINIMUM_PEERS),
        "pictured_prompts": str(len(PROMPTS)),
        "pictured_requests": str(len(PROMPTS) * ROUNDS),
        "pictured_rounds": form.in_words(ROUNDS),
        "pictured_runs": form.in_words(RUNS),
        "ranks": form.share(LEVEL),
        "resamples": form.short(RESAMPLES),
        "run_noise": form.in_words(RUNS_NEEDED),
        "score_floor": form.short(SCORE_FLOOR),
        "score_scale": form.SCALES["score"][0].unit,
        "score_steps": str(HIGHEST_SCORE - LOWEST_SCORE),
        "shared": form.share(SHARED_LIMIT),
        "stall": form.with_unit(STALL_NS / NANOSECONDS_PER_SECOND, "s"),
        "steal": form.share(STEAL_LIMIT),
        "stretches": form.short(STRETCHES),
        "suspect": form.short(RUNS_TO_SUSPECT),
        "times": form.short(TIMES_THE_ERROR),
        "values_p95": form.short(VALUES_NEEDED["p95"]),
        "values_p99": form.short(VALUES_NEEDED["p99"]),
    }


def _scale(words: tuple[tuple[float, str], ...]) -> str:
    """Return limits with what lies above them, in one clause: above 0.8 almost perfect, 0.6 substantial."""
    return "above " + ", ".join(f"{form.short(least)} {word}" for least, word in words)
