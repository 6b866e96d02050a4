"""Mistakes in what a config asks for of load and lengths, as they are told."""

from pathlib import Path

import pytest

from bench.config.settings import LengthSettings, LoadSettings, SweepSettings, find_config, load_config
from bench.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(f"models: [a]\n{text}\n", encoding="utf-8")
    return path


def test_defaults(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "load: {streams: [1, 8], sweep: {}}\nlengths: {}"))

    assert config.load == LoadSettings(
        streams=(1, 8),
        rates_per_s=(),
        arrivals="poisson",
        max_streams=64,
        sweep=SweepSettings(max_streams=64, growth=1.1),
        warmup_s=2.0,
        measure_s=10.0,
        seed=42,
        goodput=None,
    )
    assert config.lengths == LengthSettings(prompt_tokens=(128, 512, 2048), output_tokens=(16, 128), repeats=3)


def test_neither_is_asked_for_unless_the_config_says_so(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, ""))

    assert config.load is None
    assert config.lengths is None


def test_the_shipped_config_measures_both() -> None:
    config = load_config(find_config("load"))

    assert config.load is not None
    assert config.load.streams == (1, 2, 4)
    assert config.lengths is not None
    assert max(config.lengths.prompt_tokens) + max(config.lengths.output_tokens) <= 1024


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("load: {}", "load: needs at least one of streams, rates_per_s and sweep"),
        ("load: {streams: []}", "load: needs at least one of streams, rates_per_s and sweep"),
        ("load: 4", "load: must hold keys and values, found 4"),
        ("load: {streams: 4}", "load.streams: must be a list, found 4"),
        ("load: {streams: [2, 0]}", "load.streams[1]: must be at least 1, found 0"),
        ("load: {streams: [1.5]}", "load.streams[0]: must be a whole number, found 1.5"),
        ("load: {streams: [2000]}", "load.streams[0]: must be at most 1024, found 2000"),
        ("load: {streams: [1, 2, 1]}", "load: streams names 1 twice; name each once"),
        ("load: {rates_per_s: [2.5, 2.5]}", "load: rates_per_s names 2.5 twice; name each once"),
        ("load: {rates_per_s: [.nan]}", "load.rates_per_s[0]: must be a finite number, found NaN"),
        (
            "load: {rates_per_s: [1], arrivals: uniform}",
            "load.arrivals: must be 'poisson' or 'constant', found \"uniform\"",
        ),
        (
            "load: {streams: [1], goodput: {}}",
            "load.goodput: needs at least one of ttft_s, tpot_s and e2e_s",
        ),
        (
            "load: {streams: [1], rate_per_s: [3]}",
            "load.rate_per_s: is not a known key; did you mean 'rates_per_s'? (known keys: arrivals, goodput, "
            "max_streams, measure_s, rates_per_s, seed, streams, sweep, warmup_s)",
        ),
        (
            "load: {sweep: {max_stream: 4}}",
            "load.sweep.max_stream: is not a known key; did you mean 'max_streams'? (known keys: growth, max_streams)",
        ),
        ("lengths: 512", "lengths: must hold keys and values, found 512"),
        ("lengths: {prompt_tokens: []}", "lengths.prompt_tokens: must have at least 1 entry, found []"),
        (
            "lengths: {prompt_tokens: [2000000]}",
            "lengths.prompt_tokens[0]: must be at most 1000000, found 2000000",
        ),
        ("lengths: {prompt_tokens: [8, 0]}", "lengths.prompt_tokens[1]: must be at least 1, found 0"),
        ("lengths: {output_tokens: [8, 8]}", "lengths: output_tokens names 8 twice; name each once"),
        ("lengths: {repeats: 0}", "lengths.repeats: must be at least 1, found 0"),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, expected: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value) == f"{path}:2: {expected}"


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("rates_per_s: [-1]", "rates_per_s[0]", "must be above 0"),
        ("rates_per_s: [0]", "rates_per_s[0]", "must be above 0"),
        ("streams: [1], measure_s: 0", "measure_s", "must be above 0"),
        ("streams: [1], warmup_s: -1", "warmup_s", "must be at least 0"),
        ("sweep: {growth: 1}", "sweep.growth", "must be above 1"),
    ],
)
def test_a_number_out_of_its_range(tmp_path: Path, text: str, key: str, expected: str) -> None:
    path = written(tmp_path, f"load: {{{text}}}")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).startswith(f"{path}:2: load.{key}: {expected}")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "load:\n  streams: [0]\n  seed: -1\nlengths:\n  repeats: none")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).splitlines() == [
        f"{path}:3: load.streams[0]: must be at least 1, found 0",
        f"{path}:4: load.seed: must be at least 0, found -1",
        f'{path}:6: lengths.repeats: must be a whole number, found "none"',
    ]
