"""Other projects' change detection, asked in an interpreter that has them: `python segmenters.py asv`, or `otava`.

Reads lines of JSON: values, and the number of runs in the first prefix to look at. Writes one for each: by the name of
the method a list of what it says of each prefix, the indices at which it sees a change. With `--time` it writes the
processor seconds of one look at all values instead. It imports nothing of this repository.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module

Detect = Callable[[Sequence[float]], list[int]]


@lru_cache(maxsize=2)
def fit(values: tuple[float, ...]) -> list[tuple[int, int, float, float, float]]:
    """Return asv's piecewise fit, which its methods share: first and end of each piece, and three numbers."""
    found: list[tuple[int, int, float, float, float]] = import_module("asv.step_detect").detect_steps(values)
    return found


def asv_steps(values: Sequence[float]) -> list[int]:
    """Return every step of asv's piecewise fit."""
    return [step[0] for step in fit(tuple(values))[1:]]


def asv_regressions(threshold: float) -> Detect:
    """Return what asv publishes as regressions, upwards and (of the reciprocals) downwards."""
    module = import_module("asv.step_detect")

    def found(values: Sequence[float]) -> list[int]:
        indices: list[int] = []
        for series in (values, [1 / value for value in values]):
            regressions = module.detect_regressions(fit(tuple(series)), threshold)[2]
            indices += [after for _, after, _, _ in regressions or []]
        return indices

    return found


def otava(p: float, magnitude: float) -> Detect:
    """Return Apache Otava's change points, as its command computes them."""
    module = import_module("otava.analysis")

    def found(values: Sequence[float]) -> list[int]:
        points, _ = module.compute_change_points(list(values), window_len=50, max_pvalue=p, min_magnitude=magnitude)
        return [int(point.index) for point in points]

    return found


def methods(project: str) -> dict[str, Detect]:
    """Return a project's methods by their names in the tables; the first is what it does by default."""
    if project == "asv":
        return {
            "asv, every step": asv_steps,
            "asv, regressions above 5%": asv_regressions(0.05),
            "asv, regressions above 20%": asv_regressions(0.2),
        }
    return {
        "Otava": otava(1e-3, 0.0),
        "Otava, above 5%": otava(1e-3, 0.05),
        "Otava, above 5%, p 1e-5": otava(1e-5, 0.05),
    }


def seconds(detect: Detect, values: Sequence[float]) -> float:
    """Return the processor seconds of one look at all values, the least of five."""
    taken = []
    for _ in range(5):
        fit.cache_clear()
        start = time.process_time()
        detect(values)
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Answer line by line."""
    known = methods(sys.argv[1])
    for line in sys.stdin:
        values, first = json.loads(line)
        answer: object = (
            {name: [detect(values[:runs]) for runs in range(first, len(values) + 1)] for name, detect in known.items()}
            if "--time" not in sys.argv
            else {name: seconds(detect, values) for name, detect in known.items()}
        )
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
