"""How often a table of pure noise has a cell that stands out, with and without the rests that a polish makes 0.

    python -m tests.benchmarks.interactions

Each table has models and prompts that add up, and normal noise. What is printed is the share of tables with a cell
beyond the threshold, and the share of cells far off, by so many deviations, that are found.
"""

import sys

import numpy as np

from bench.analysis.outliers import THRESHOLD, deviation, polished

TABLES = 2_000
SIZES = ((3, 4), (3, 8), (3, 16), (4, 4), (4, 6), (5, 8), (5, 16))
FAR = 7.0


def scores(table: np.ndarray[tuple[int, int], np.dtype[np.float64]], left_out: int) -> dict[tuple[str, str], float]:
    """Return the score of each cell, with so many of the smallest rests left out of their spread."""
    cells = {(str(row), str(column)): float(value) for (row, column), value in np.ndenumerate(table)}
    rests = polished(cells)
    spread = deviation(sorted(abs(rest) for rest in rests.values())[left_out:])
    return {place: rest / spread for place, rest in rests.items()}


def main() -> None:
    rng = np.random.default_rng(1)
    write = sys.stdout.write
    write("models x prompts  stands out   all rests counted   found at 7 deviations\n")
    for models, prompts in SIZES:
        fitted = models + prompts - 1
        ours = all_counted = found = 0
        for _ in range(TABLES):
            table = rng.normal(0, 1, (models, prompts))
            ours += any(abs(score) > THRESHOLD for score in scores(table, fitted).values())
            all_counted += any(abs(score) > THRESHOLD for score in scores(table, 0).values())
            table[0, 0] += FAR
            found += scores(table, fitted)["0", "0"] > THRESHOLD
        shares = " ".join(f"{count / TABLES:14.1%}" for count in (ours, all_counted, found))
        write(f"{models:6} x {prompts:2} {shares}\n")


if __name__ == "__main__":
    main()
