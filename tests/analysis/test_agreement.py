"""Agreement between people, judges and the program, worked out by hand and against published figures."""

import pytest

from bench.analysis.agreement import Agreement, PairAgreement, agreement
from bench.analysis.ratings import PROGRAM, Item, Ranking, Rater, ratings
from bench.schema.result import Result
from bench.schema.review import Annotation, Annotations
from bench.stats.rater_agreement import krippendorff_alpha, quadratic_kappa
from bench.store.reviews import Reviews
from tests.builders import facet, grade, model_run, prompt, result, sample
from tests.review_builders import annotations, judgement, reviewed_result, verdict

ANN, BOB, JUDY = Rater("person", "ann"), Rater("person", "bob"), Rater("judge", "judy")
ONE = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
OTHER = [2, 2, 3, 4, 5, 1, 2, 3, 4, 4]
TEN = range(10)

KRIPPENDORFF = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
"""Four observers, twelve units: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C."""


def test_kappa_worked_out_by_hand() -> None:
    kappa = quadratic_kappa(ONE, OTHER, TEN, seed=1)

    # Observed: two differences of 1 in ten. Expected: the variances 2 and 1.4; the means are both 3.
    assert kappa.value == pytest.approx(1 - 0.2 / 3.4)
    assert (kappa.scored, kappa.answers, kappa.why) == (10, 10, None)
    assert kappa.low is not None
    assert kappa.high is not None
    assert 0 < kappa.low < 1 - 0.2 / 3.4 < kappa.high <= 1


def test_kappa_of_a_shift_pays_for_the_shift() -> None:
    # Observed: 1 everywhere. Expected: the variances 1.25 and 1.25, and the squared distance of the means, 1.
    kappa = quadratic_kappa([1, 2, 3, 4] * 3, [2, 3, 4, 5] * 3, range(12), seed=1)

    assert kappa.value == pytest.approx(1 - 1 / 3.5)


def test_alpha_of_krippendorffs_own_example() -> None:
    units = [[score for score in unit if score is not None] for unit in zip(*KRIPPENDORFF, strict=True)]

    alpha = krippendorff_alpha(units, range(12), seed=1)

    assert alpha.value == pytest.approx(0.849, abs=0.0005)
    # The last unit has one score and says nothing.
    assert (alpha.scored, alpha.answers) == (11, 11)


def test_ordinal_alpha_of_krippendorffs_own_example() -> None:
    units = [[score for score in unit if score is not None] for unit in zip(*KRIPPENDORFF, strict=True)]

    alpha = krippendorff_alpha(units, range(12), seed=1, metric="ordinal")

    assert alpha.value == pytest.approx(0.815, abs=0.0005)
    assert (alpha.scored, alpha.answers) == (11, 11)
    assert alpha.low is not None
    assert alpha.high is not None
    assert alpha.low < 0.815 < alpha.high


def test_ordinal_alpha_worked_out_by_hand() -> None:
    # Of 20 scores ten are 1, five are 2 and five are 9: their ranks are 5, 12.5 and 17.5 from the lowest.
    alpha = krippendorff_alpha([(1, 1)] * 5 + [(2, 9)] * 5, TEN, seed=1, metric="ordinal")

    # Observed: ten of 20 scores stand beside one that is 5 ranks off. Expected: pairs of unlike scores over 20 * 19.
    expected = 2 * (10 * 5 * 7.5**2 + 10 * 5 * 12.5**2 + 5 * 5 * 5**2) / (20 * 19)
    assert alpha.value == pytest.approx(1 - (10 * 5**2 / 20) / expected)


def test_ordinal_alpha_minds_the_order_of_scores_and_not_how_far_they_are_apart() -> None:
    stretched = [[score**3 for score in unit] for unit in zip(ONE, OTHER, strict=True)]

    plain = krippendorff_alpha(list(zip(ONE, OTHER, strict=True)), TEN, seed=1, metric="ordinal")
    cubed = krippendorff_alpha(stretched, TEN, seed=1, metric="ordinal")

    assert cubed == plain
    assert krippendorff_alpha(stretched, TEN, seed=1).value != plain.value


def test_alpha_worked_out_by_hand() -> None:
    alpha = krippendorff_alpha(list(zip(ONE, OTHER, strict=True)), TEN, seed=1)

    # Observed: 4 over 20 scores. Expected: 2 * 20 * 34 over 20 * 19, with 34 the squares around 3.
    assert alpha.value == pytest.approx(1 - (4 / 20) / (2 * 20 * 34 / (20 * 19)))


def test_perfect_agreement_and_perfect_disagreement() -> None:
    same = quadratic_kappa(ONE, ONE, TEN, seed=1)
    opposite = quadratic_kappa(ONE, [6 - score for score in ONE], TEN, seed=1)

    assert (same.value, same.low, same.high) == (1, 1, 1)
    assert opposite.value == pytest.approx(-1)


def test_a_rater_who_always_says_the_same_agrees_as_by_chance() -> None:
    assert quadratic_kappa(ONE, [5] * 10, TEN, seed=1).value == pytest.approx(0)


def test_where_every_score_is_the_same_nothing_can_be_told() -> None:
    kappa = quadratic_kappa([5] * 10, [5] * 10, TEN, seed=1)
    alpha = krippendorff_alpha([[5, 5, 5]] * 10, TEN, seed=1)
    ordinal = krippendorff_alpha([[5, 5, 5]] * 10, TEN, seed=1, metric="ordinal")

    for coefficient in (kappa, alpha, ordinal):
        assert (coefficient.value, coefficient.low, coefficient.high) == (None, None, None)
        assert coefficient.why == "every score is the same: agreement cannot be told from chance"


def test_too_few_answers() -> None:
    nine = quadratic_kappa(ONE[:9], OTHER[:9], range(9), seed=1)
    one = quadratic_kappa(ONE, OTHER, [0] * 10, seed=1)
    none = krippendorff_alpha([[1], [2]], range(2), seed=1)

    assert (nine.value, nine.why) == (None, "9 answers in common; needs 10")
    assert (one.value, one.why) == (None, "1 answer in common; needs 10")
    assert (none.value, none.scored, none.why) == (None, 0, "0 answers in common; needs 10")


def test_a_single_score_that_differs_leaves_no_interval() -> None:
    # Without the answer that differs, a third of all resamples have nothing but fives.
    kappa = quadratic_kappa([5] * 9 + [4], [5] * 10, TEN, seed=1)

    assert kappa.value == pytest.approx(0)
    assert kappa.low is None
    assert kappa.why == "no interval: too often, a resample has the same score everywhere"


def test_the_interval_is_seeded_and_wider_where_the_facets_of_an_answer_go_together() -> None:
    apart = quadratic_kappa(ONE * 4, OTHER * 4, range(40), seed=1)
    together = quadratic_kappa(ONE * 4, OTHER * 4, [*TEN] * 4, seed=1)

    assert quadratic_kappa(ONE * 4, OTHER * 4, range(40), seed=1) == apart
    assert quadratic_kappa(ONE * 4, OTHER * 4, range(40), seed=2) != apart
    assert together.value == apart.value
    assert (together.answers, apart.answers) == (10, 40)
    assert together.low is not None
    assert apart.low is not None
    assert together.low < apart.low


def ten_answers(program: list[float] | None = None) -> Result:
    """Return a run of one model with ten prompts of two facets each; the program's credit is for the first one."""
    names = [f"p{number}" for number in TEN]
    return result(
        [model_run(samples=tuple(sample(prompt=name, output=f"o-{name}") for name in names))],
        prompts=[prompt(id=name, facets=(facet(id="f"), facet(id="g"))) for name in names],
        grades=tuple(
            grade({"f": credit}, prompt=name, output=f"o-{name}")
            for name, credit in zip(names, program or [], strict=False)
        ),
    )


def person(scores: list[int], name: str = "ann") -> Annotations:
    return annotations({(f"p{n}", f"o-p{n}"): {"f": score} for n, score in enumerate(scores)}, name)


def reviews(*people: Annotations, judge: list[int] | None = None) -> Reviews:
    said = [verdict(f"p{n}", f"o-p{n}", {"f": score, "g": 3}) for n, score in enumerate(judge or [])]
    return Reviews(
        judgements=(judgement(*said),) if said else (),
        annotations=people,
    )


def pair_of(found: Agreement, one: Rater, other: Rater) -> PairAgreement:
    return next(pair for pair in found.pairs if (pair.one, pair.other) == (one, other))


def test_pairs_of_sources_over_all_facets_and_facet_by_facet() -> None:
    run = ten_answers([(score - 1) / 4 for score in ONE])

    found = agreement(run, reviews(person(ONE), person(OTHER, "bob"), judge=OTHER))

    assert found.sources == (PROGRAM, JUDY, ANN, BOB)
    assert pair_of(found, PROGRAM, ANN).overall.value == pytest.approx(1)
    assert pair_of(found, JUDY, ANN).overall.value == pytest.approx(1 - 0.2 / 3.4)
    (by_facet,) = pair_of(found, JUDY, ANN).facets
    assert (by_facet.facet, by_facet.prompts) == ("f", 10)
    assert by_facet.agreement == pair_of(found, JUDY, ANN).overall
    assert len(found.pairs) == 6


def test_alpha_is_of_two_sources_or_more() -> None:
    found = agreement(ten_answers(), reviews(person(ONE), person(OTHER, "bob"), judge=ONE))
    alone = agreement(ten_answers(), reviews(person(ONE)))

    assert [(group.group, group.sources) for group in found.groups] == [
        ("people", (ANN, BOB)),
        ("all sources", (JUDY, ANN, BOB)),
    ]
    people, everybody = found.groups
    assert people.overall.value == pytest.approx(1 - 3.8 / 68)
    # The judge's facet g has no other score, and is in no unit.
    assert everybody.overall.scored == 10
    assert [facet.facet for facet in everybody.facets] == ["f"]
    assert (alone.pairs, alone.groups) == ((), ())


def test_a_judge_is_held_against_the_mean_of_people_and_flagged() -> None:
    # The mean of 2 and 4 is 3, and so on: ann and bob together are the scores ONE.
    down, up = [max(score - 1, 1) for score in ONE], [min(score + 1, 5) for score in ONE]
    good = agreement(ten_answers(), reviews(person(down), person(up, "bob"), judge=ONE)).judges[0]
    bad = agreement(ten_answers(), reviews(person(ONE), judge=ONE[::-1])).judges[0]
    alone = agreement(ten_answers(), reviews(judge=ONE)).judges[0]
    strict = agreement(ten_answers(), reviews(person(OTHER), judge=ONE), needed=0.95).judges[0]

    assert (good.judge, good.needed, good.below) == (JUDY, 0.6, False)
    assert bad.agreement.value == pytest.approx(-1)
    assert bad.below is True
    assert (alone.agreement.value, alone.below) == (None, None)
    assert alone.agreement.why == "no person has scored answers of this run"
    assert (strict.needed, strict.below) == (0.95, True)


def test_a_judge_that_always_gives_fives_is_flagged() -> None:
    assert agreement(ten_answers(), reviews(person(ONE), judge=[5] * 10)).judges[0].below is True


def test_disagreements_with_the_largest_first() -> None:
    run = ten_answers([0.5] * 2)

    found = agreement(run, reviews(person([3, 1, 4]), judge=[3, 5, 5])).disagreements

    assert [(one.item, dict(one.scores), one.distance) for one in found] == [
        (Item("p1", "o-p1", "f"), {PROGRAM: 3, JUDY: 5, ANN: 1}, 4),
        (Item("p2", "o-p2", "f"), {JUDY: 5, ANN: 4}, 1),
    ]


def test_models_are_ranked_by_each_source() -> None:
    scored = annotations(
        {
            ("p1", "aa"): {"right": 5, "short": 1},
            ("p1", "bb"): {"right": 3, "short": 3},
            ("p1", "cc"): {"right": 1, "short": 1},
            ("p2", "dd"): {"right": 5},
            ("p2", "ee"): {"right": 2},
        }
    )

    by_program, by_ann = agreement(reviewed_result(), Reviews(annotations=(scored,))).rankings

    # The facet 'right' of p1 weighs 3, 'short' 1. Big said aa and bb to p1, and dd to p2.
    assert [(rank.model, rank.rank) for rank in by_ann.ranks] == [("big", 1), ("mid", 2), ("small", 3)]
    assert [rank.score for rank in by_ann.ranks] == pytest.approx([((4 + 3) / 2 + 5) / 2, (4 + 2) / 2, (1 + 2) / 2])
    assert [rank.model for rank in by_program.ranks] == ["big", "mid", "small"]
    assert [rank.score for rank in by_program.ranks] == pytest.approx([((5 + 4.5) / 2 + 5) / 2, 3, 1.5])
    assert (by_ann.prompts, by_ann.unranked, by_ann.why) == (2, (), None)


def test_models_are_ranked_over_the_prompts_that_they_have_in_common() -> None:
    def by_ann(scores: dict[tuple[str, str], dict[str, int]]) -> Ranking:
        found = agreement(reviewed_result(), Reviews(annotations=(annotations(scores),)))
        return next(one for one in found.rankings if one.source == ANN)

    tied = by_ann({("p1", "aa"): {"right": 4}, ("p2", "dd"): {"right": 1}})
    nothing = by_ann({("p1", "cc"): {"right": 4}, ("p2", "dd"): {"right": 1}})

    assert [(rank.model, rank.rank, rank.score) for rank in tied.ranks] == [
        ("big", 1, 4),
        ("mid", 1, 4),
    ]
    assert tied.unranked == ("small",)
    assert nothing.ranks == ()
    assert nothing.why == "there is no prompt of which it scored an answer of each model"


def test_a_program_credit_is_on_the_same_scale_and_unread_verdicts_are_no_scores() -> None:
    judge = judgement(verdict("p1", "aa", {"right": 4, "short": None}), verdict("p1", "aa", {"right": 1}, reading=2))

    scores = ratings(reviewed_result(), Reviews(judgements=(judge,))).scores

    assert scores[PROGRAM][Item("p1", "bb", "short")] == 3
    assert scores[JUDY] == {Item("p1", "aa", "right"): 4}


def test_reviews_of_answers_that_are_gone_do_not_count_and_are_told() -> None:
    gone = annotations({("p2", "gone"): {"right": 5}, ("p1", "aa"): {"wrong": 5}})
    gone = gone.model_copy(
        update={"entries": (*gone.entries, Annotation(prompt="p1", output="cc", facets={"right": 1}))}
    )

    found = ratings(reviewed_result(), Reviews(annotations=(gone,)))

    assert found.scores[ANN] == {Item("p1", "cc", "right"): 1}
    assert found.left_out == (
        "ann's score of facet right of answer gone to prompt p2 does not count: the run has no such answer or facet",
        "ann's score of facet wrong of answer aa to prompt p1 does not count: the run has no such answer or facet",
    )
