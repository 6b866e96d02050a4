"""A judge asked for real, in a process of its own: verdicts kept as they come, gone on with, and never made up."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Done

from bench.cli import main
from bench.config.settings import load_config
from bench.errors import BenchError, UsageError
from bench.quality.judge.judging import (
    TEMPLATE,
    Asking,
    JudgedRun,
    JudgingProgress,
    judge,
    judge_config,
    template_sha256,
)
from bench.schema.review import PairVerdict, Verdict
from bench.store.files import save
from bench.store.reviews import find_run, judgement_path, load_judgement
from tests.endpoint_server import Script, chunk, endpoint, events
from tests.foundry_catalogue import ALIAS, VARIANT, catalogue
from tests.review_builders import RUN, reviewed_result

SCORES = {"Rome": 1, "Seine": 5, "Paris": 4}
SMALLEST = Path(__file__).parents[2] / "bench" / "reference" / "models" / "ledger-xs-fp32"
NOW = datetime(2026, 2, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return save(reviewed_result(), tmp_path / "results")


def config(tmp_path: Path, model: str = "ByWord", name: str = "judy", **more: object) -> Path:
    (tmp_path / "scores.json").write_text(json.dumps(SCORES))
    path = tmp_path / f"{name}.yaml"
    entry = {"provider": "custom", "name": name, "class": f"tests.judge_model:{model}", "weights": "scores.json"}
    path.write_text(json.dumps({"models": [entry], **more}))
    return path


def bench(*arguments: object, **variables: str) -> Done:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=variables)


def bench_judge(tmp_path: Path, path: Path, *arguments: object) -> Done:
    # Another run on this machine is waited for: two would measure each other.
    return bench("judge", RUN, "--results", tmp_path / "results", "--judge", path, "--wait", *arguments)


def asked(
    run_path: Path,
    path: Path,
    on_progress: Callable[[JudgingProgress], None] = lambda _: None,
    *,
    repeats: int = 0,
    pairs: int = 0,
    retry: bool = False,
) -> JudgedRun:
    asking = Asking(load_config(path), repeats, pairs, 42, retry)
    return judge(find_run(str(run_path), run_path.parent), asking, on_progress, lambda: NOW)


def scores(judged: JudgedRun, reading: int = 1) -> dict[tuple[str, str, str], int | None]:
    return {
        (verdict.prompt, verdict.output, facet.facet): facet.score
        for verdict in judged.judgement.verdicts
        if verdict.reading == reading
        for facet in verdict.facets
    }


def test_each_distinct_answer_gets_a_score_for_each_facet(tmp_path: Path, run_path: Path) -> None:
    before = run_path.read_bytes()

    done = bench_judge(tmp_path, config(tmp_path), "--repeat", 2, "--pairs", 2)

    assert done.exit_code == 0, done.output
    path = judgement_path(run_path, "judy")
    judgement = load_judgement(path)
    assert {
        (verdict.prompt, verdict.output): [facet.score for facet in verdict.facets]
        for verdict in judgement.verdicts
        if verdict.reading == 1
    } == {("p1", "aa"): [4, 4], ("p1", "bb"): [5, 5], ("p1", "cc"): [1, 1], ("p2", "dd"): [3], ("p2", "ee"): [3]}
    assert judgement.verdicts[0].facets[0].why == "for right"
    assert all(verdict.reply is None and verdict.problem is None for verdict in judgement.verdicts)
    assert sum(verdict.reading == 2 for verdict in judgement.verdicts) == 2
    assert [pair.better for pair in judgement.pairs] == ["first"] * 4
    assert done.stdout.splitlines() == [
        f"judy on {RUN}: 5 answers judged, 5 with a score for each facet, 0 unscored in part or in whole",
        "  judged twice: 100 % of 3 scores the same, 0 apart on average",
        "  both orders: 100 % of 2 pairs flip, 2 for the answer shown first, 0 for the other",
        "  score against length: 5 judged answers beside another of their prompt; needs 10",
        "  agreement with people: no person has scored answers of this run",
        f"Wrote {path}; commit it beside the result.",
    ]
    assert "judy: answering, 11/11, 0 not read in full" in done.stderr
    assert run_path.read_bytes() == before


def test_the_header_says_who_judged_and_how(tmp_path: Path, run_path: Path) -> None:
    header = asked(run_path, config(tmp_path, generation={"max_output_tokens": 99})).judgement.header

    assert (header.run, header.judge, header.provider) == (RUN, "judy", "custom")
    assert header.requested == header.variant_id == "tests.judge_model:ByWord"
    assert header.model["weights"] == "scores.json"
    assert header.generation == {"temperature": 0.0, "top_p": None, "seed": 42, "max_output_tokens": 99}
    assert header.template == TEMPLATE
    assert header.template_sha256 == template_sha256(TEMPLATE)
    assert header.started_utc == NOW
    assert header.judges_itself == ()


def test_a_sitting_is_noted_at_its_end(tmp_path: Path, run_path: Path) -> None:
    (sitting,) = asked(run_path, config(tmp_path)).judgement.sittings

    assert (sitting.asked, sitting.started_utc, sitting.variant_id) == (5, NOW, "tests.judge_model:ByWord")


@pytest.mark.slow
def test_nothing_is_asked_twice_and_a_larger_sample_asks_for_the_rest(tmp_path: Path, run_path: Path) -> None:
    path = config(tmp_path)

    first = asked(run_path, path)
    again = asked(run_path, path)
    more = asked(run_path, path, repeats=2, pairs=1)

    assert (first.asked, again.asked, more.asked) == (5, 0, 4)
    assert again.judgement == first.judgement
    assert scores(more) == scores(first)
    assert len(scores(more, reading=2)) > 0


def test_the_second_reading_has_the_rubric_in_reverse(tmp_path: Path, run_path: Path) -> None:
    judged = asked(run_path, config(tmp_path, "FirstFacetBest"), repeats=5)

    assert scores(judged)["p1", "aa", "right"] == 5
    assert scores(judged, reading=2)["p1", "aa", "right"] == 4
    assert [facet.facet for facet in judged.judgement.verdicts[-1].facets] in (["right", "short"], ["right"])


def test_replies_that_nobody_can_read_are_kept_and_unscored(tmp_path: Path, run_path: Path) -> None:
    done = bench_judge(tmp_path, config(tmp_path, "Chatty"), "--repeat", 0, "--pairs", 1)

    path = judgement_path(run_path, "judy")
    judgement = load_judgement(path)
    assert done.exit_code == 1
    assert f"bench: the judge judy gave no score that can be read; its replies are in {path}" in done.stderr
    assert f"judy on {RUN}: 5 answers judged, 0 with a score for each facet, 5 unscored" in done.stdout
    verdicts: tuple[Verdict | PairVerdict, ...] = (*judgement.verdicts, *judgement.pairs)
    assert len(verdicts) == 7
    for verdict in verdicts:
        assert verdict.reply == "I would say four out of five, all in all."
        assert verdict.problem == "the reply has no JSON object"
    assert {facet.score for one in judgement.verdicts for facet in one.facets} == {None}
    assert {pair.better for pair in judgement.pairs} == {None}


@pytest.mark.slow
def test_retry_asks_for_what_was_not_read_and_for_nothing_else(tmp_path: Path, run_path: Path) -> None:
    path = config(tmp_path)
    asked(run_path, path)
    file = judgement_path(run_path, "judy")
    file.write_text(
        file.read_text().replace('"score": 1', '"score": null').replace('"problem": null', '"problem": "x"', 1)
    )

    without = asked(run_path, path)
    judged = asked(run_path, path, retry=True)

    assert (without.asked, judged.asked) == (0, 1)
    assert judged.judgement.verdicts[0].problem is None


@pytest.mark.slow
def test_a_judge_that_is_killed_is_told_and_gone_on_with(tmp_path: Path, run_path: Path) -> None:
    path = config(tmp_path, "DiesOnce")

    first = bench_judge(tmp_path, path, "--repeat", 0, "--pairs", 0)
    kept = load_judgement(judgement_path(run_path, "judy"))
    second = bench_judge(tmp_path, path, "--repeat", 0, "--pairs", 0)

    assert first.exit_code == 1
    assert re.search(
        r"bench: the judge judy is down \(died\): the process that held the model was killed by SIGKILL while answering"
        r".*; 1 of 5 verdicts are in .*judge-judy\.jsonl; give the same command again for the others",
        first.stderr,
    )
    assert len(kept.verdicts) == 1
    assert second.exit_code == 0, second.output
    whole = load_judgement(judgement_path(run_path, "judy"))
    assert len(whole.verdicts) == 5
    assert [sitting.asked for sitting in whole.sittings] == [1, 4]


def endpoint_config(tmp_path: Path, url: str) -> Path:
    path = tmp_path / "remote.yaml"
    path.write_text(json.dumps({"models": [{"provider": "openai", "name": "far", "model": "m", "base_url": url}]}))
    return path


WHOLE = events(chunk('{"facets": {"right": 4, "short": {"score": 2, "why": "long"}}}'), chunk(finish="stop"))


@pytest.mark.slow
def test_an_endpoint_that_goes_down_half_way_leaves_the_rest_to_be_asked(tmp_path: Path, run_path: Path) -> None:
    script = Script(WHOLE)

    def fail_after_two(standing: JudgingProgress) -> None:
        if standing.done == 2:
            script.status = 503

    with endpoint(script) as url:
        path = endpoint_config(tmp_path, url)
        with pytest.raises(BenchError) as caught:
            asked(run_path, path, fail_after_two)
        requests = len(script.requests)
        script.status = 200
        judged = asked(run_path, path)

    assert requests == 5  # two answers, and three failures in a row
    message = str(caught.value)
    assert message.startswith("the judge far is down (unavailable): ")
    assert "; 2 of 5 verdicts are in " in message
    assert judged.asked == 3
    assert set(scores(judged).values()) == {4, 2}
    assert judged.judgement.sittings[-1].variant_id == "m-variant:2"


@pytest.mark.slow
def test_verdicts_of_an_earlier_sitting_that_could_not_be_read_are_counted_on(tmp_path: Path, run_path: Path) -> None:
    script = Script(events(chunk("I cannot grade this."), chunk(finish="stop")))
    seen: list[JudgingProgress] = []

    def fail_after_two(standing: JudgingProgress) -> None:
        if standing.done == 2:
            script.status = 503

    with endpoint(script) as url:
        path = endpoint_config(tmp_path, url)
        with pytest.raises(BenchError):
            asked(run_path, path, fail_after_two)
        script.status, script.body = 200, WHOLE
        asked(run_path, path, seen.append)

    assert (seen[0].done, seen[0].unread) == (2, 2)
    assert (seen[-1].done, seen[-1].total, seen[-1].unread) == (5, 5, 2)


def test_ctrl_c_keeps_what_was_judged(tmp_path: Path, run_path: Path) -> None:
    path = config(tmp_path)

    def interrupt(standing: JudgingProgress) -> None:
        if standing.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(BenchError) as caught:
        asked(run_path, path, interrupt)

    file = judgement_path(run_path, "judy")
    assert str(caught.value) == (f"stopped: 2 of 5 verdicts are in {file}; give the same command again for the others")
    assert len(load_judgement(file).verdicts) == 2


@pytest.mark.slow
def test_an_endpoint_that_is_not_there(tmp_path: Path, run_path: Path) -> None:
    done = bench_judge(tmp_path, endpoint_config(tmp_path, "http://127.0.0.1:9/v1"))

    assert done.exit_code == 1
    assert "bench: the judge far cannot be asked (refused): " in done.stderr
    assert not judgement_path(run_path, "far").exists()


@pytest.mark.slow
def test_a_reply_that_was_cut_off_says_so(tmp_path: Path, run_path: Path) -> None:
    with endpoint(Script(events(chunk('{"facets": {"right": 4, "sho'), chunk(finish="length")))) as url:
        judged = asked(run_path, endpoint_config(tmp_path, url))

    verdict = judged.judgement.verdicts[0]
    assert verdict.problem == ("the reply has no JSON object; cut off after 128 tokens (generation.max_output_tokens)")
    assert verdict.reply == '{"facets": {"right": 4, "sho'


@pytest.mark.slow
def test_an_empty_reply_is_unscored_and_not_asked_again(tmp_path: Path, run_path: Path) -> None:
    with endpoint(Script(events(chunk(finish="stop")))) as url:
        judged = asked(run_path, endpoint_config(tmp_path, url))
        again = asked(run_path, endpoint_config(tmp_path, url))

    assert {verdict.problem for verdict in judged.judgement.verdicts} == {
        "empty: the answer has no text (finish reason stop)"
    }
    assert {verdict.reply for verdict in judged.judgement.verdicts} == {None}
    assert again.asked == 0


def test_a_judgement_by_another_judge_is_not_gone_on_with(tmp_path: Path, run_path: Path) -> None:
    asked(run_path, config(tmp_path))
    path = judgement_path(run_path, "judy")
    before = path.read_bytes()

    with pytest.raises(UsageError) as caught:
        asked(run_path, config(tmp_path, "Chatty", generation={"temperature": 0.5}))

    assert str(caught.value) == (
        f"{path}: cannot go on with this judgement: the judge and the generation settings changed since; "
        "undo that, delete the file to judge anew, or give the judge another name in its config"
    )
    assert path.read_bytes() == before


def test_a_judge_that_is_one_of_the_models_is_told(tmp_path: Path) -> None:
    run = reviewed_result()
    itself = run.models[1].model_copy(update={"requested": "tests.judge_model:ByWord"})
    save(run.model_copy(update={"models": (run.models[0], itself, run.models[2])}), tmp_path / "results")

    done = bench_judge(tmp_path, config(tmp_path), "--repeat", 0, "--pairs", 0)

    assert "  it judges itself: mid" in done.stdout.splitlines()


def test_a_judge_is_one_model(tmp_path: Path, run_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("models: [a, b]\n")

    done = bench_judge(tmp_path, path)

    assert done.exit_code == 2
    assert done.stderr == f"bench: {path}: models: a judge is exactly one model, found 2 (a, b); keep one of them\n"


def test_what_is_neither_a_config_nor_an_alias(tmp_path: Path, run_path: Path) -> None:
    alias = bench_judge(tmp_path, Path("not an alias"))
    file = bench_judge(tmp_path, Path("nowhere.yaml"))

    assert alias.exit_code == file.exit_code == 2
    assert re.fullmatch(
        r"bench: --judge: 'not an alias' is neither a config file, a config that ships \(.*judge.*\), nor an alias\n",
        alias.stderr,
    )
    assert file.stderr.startswith("bench: nowhere.yaml: no such config. Name a file, or one that ships: ")


def test_a_judge_may_keep_what_its_questions_begin_with_unless_its_config_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "cold.yaml").write_text("models: [a]\nprompt_cache: cold\n")

    assert judge_config("judge-endpoint", {}).prompt_cache == "as-is"
    assert judge_config(str(tmp_path / "cold.yaml"), {}).prompt_cache == "cold"


def test_an_alias_is_of_the_catalogue_or_of_the_endpoint_that_is_named() -> None:
    local = judge_config("qwen2.5-14b", {"BENCH_MODELS": "other", "BENCH_ROUNDS": "nonsense"})
    remote = judge_config("qwen2.5-14b", {"FOUNDRY_LOCAL_ENDPOINT": "http://127.0.0.1:9/v1"})

    assert [(model.provider, model.requested) for model in local.models] == [("foundry", "qwen2.5-14b")]
    (model,) = remote.models
    assert model.provider == "openai"
    assert model.address == "http://127.0.0.1:9/v1"
    assert local.generation.max_output_tokens == 512


def test_a_run_without_answers_to_judge(tmp_path: Path) -> None:
    run = reviewed_result()
    save(run.model_copy(update={"models": (), "grades": ()}), tmp_path / "results")

    done = bench_judge(tmp_path, config(tmp_path))

    assert done.exit_code == 2
    assert done.stderr.endswith(".json: there is no answer to a prompt with a rubric, and so nothing to judge\n")


def test_quiet_prints_the_path_alone(tmp_path: Path, run_path: Path) -> None:
    done = bench_judge(tmp_path, config(tmp_path), "--repeat", 0, "--pairs", 0, "--quiet")

    assert done.stdout == f"{judgement_path(run_path, 'judy')}\n"
    assert done.stderr == ""


def catalogue_config(tmp_path: Path, alias: str, url: str, cache_dir: Path) -> Path:
    path = tmp_path / "catalogue.yaml"
    foundry = {"catalogue_url": url, "cache_dir": str(cache_dir)}
    path.write_text(json.dumps({"models": [alias], "foundry": foundry, "generation": {"max_output_tokens": 32}}))
    return path


@pytest.mark.runtime
def test_a_judge_of_the_catalogue_is_asked_in_the_real_runtime(tmp_path: Path, run_path: Path) -> None:
    with catalogue(SMALLEST, tmp_path) as served:
        path = catalogue_config(tmp_path, ALIAS, served.url, served.cache_dir)
        done = bench_judge(tmp_path, path, "--repeat", 0, "--pairs", 0)

    judgement = load_judgement(judgement_path(run_path, ALIAS))
    assert (judgement.header.requested, judgement.header.variant_id) == (ALIAS, VARIANT)
    assert len(judgement.verdicts) == 5
    # A test instrument cannot judge: what it says is kept, and is no score.
    assert all(verdict.reply and verdict.problem for verdict in judgement.verdicts)
    assert {facet.score for verdict in judgement.verdicts for facet in verdict.facets} == {None}
    assert done.exit_code == 1
    assert "bench: the judge tiny gave no score that can be read; its replies are in " in done.stderr


@pytest.mark.runtime
def test_a_judge_whose_catalogue_is_out_of_reach(tmp_path: Path, run_path: Path) -> None:
    path = catalogue_config(tmp_path, "phi-4", "http://127.0.0.1:9/v1.0/models", tmp_path / "cache")

    done = bench_judge(tmp_path, path)

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        "bench: the judge phi-4 cannot be asked (not-found): the catalogue has no model 'phi-4'; "
        "it is empty or out of reach: check the network"
    )
    assert not judgement_path(run_path, "phi-4").exists()


@pytest.mark.parametrize(("name", "judge"), [("judge", "phi-4"), ("judge-endpoint", "qwen2.5-14b")])
def test_the_judges_that_ship_are_real_models_and_judge_alike(name: str, judge: str) -> None:
    asked = judge_config(name, {})

    assert [model.requested for model in asked.models] == [judge]
    assert (asked.generation.temperature, asked.generation.max_output_tokens) == (0.0, 512)
