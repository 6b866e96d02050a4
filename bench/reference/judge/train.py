"""Trains the reference judge: it goes on from ledger-l, with heads that are set by hand, on drills and on verdicts."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.reference.judge.attempts import Attempts
from bench.reference.judge.corpus import HEART_SHARE, Judged, write_judged
from bench.reference.judge.drill import Drill, Row, known_tokens
from bench.reference.judge.heads import set_heads
from bench.reference.judge.louder import amplify
from bench.reference.judge.lower import deepen
from bench.reference.judge.phrases import Phrases
from bench.reference.judge.shipped import load_shipped_prompts
from bench.reference.judge.start import load_shipped
from bench.reference.judge.tokens import BAD, GOOD, SCORES, VOCABULARY_TOKENS, fixed_pieces
from bench.reference.recipes import CHAT_TEMPLATE, END, RECIPES, Recipe, write_prompt
from bench.reference.train import Progress

CONTEXT_TOKENS = 2048
BATCH_TOKENS = 2048
POOL_EXAMPLES = 400
FITTED_ON = 150
"""Examples that the heads are fitted on."""
DRILL_SIZE, EASY_SHARE = 10, 0.2
LOW = ("model.layers.0.", "model.layers.1.")


@dataclass(frozen=True)
class Stage:
    """So many steps of one mixture, at one rate.

    `drill` and `phrases` are the shares of batches that are drills, of single words and of phrases. Of the examples in
    the other batches `shipped` is the share that is about the prompts of the shipped sets; `strange` and `heart` are
    the shares of notes in words of no language and of lessons known by heart among the rest; those longer than
    `longest_tokens` are left out. `verdict_weight` is that of a mark or a score in the loss, where any other token of
    a reply weighs 1; with `weigh_openings` it is that of the first word of a reason, too. The rate falls in a cosine
    over `planned` steps; 0 holds it level. `low_rate` is the share of it for what `low` names, the layers that look
    for words.
    """

    steps: int
    planned: int
    most_facets: int
    drill: float
    seed: int
    strange: float = 0.12
    verdict_weight: float = 3.0
    learning_rate: float = 1e-3
    shipped: float = 0.0
    longest_tokens: int = 1000
    threads: int = 1
    low_rate: float = 0.1
    low: tuple[str, ...] = LOW
    phrases: float = 0.0
    weigh_openings: bool = False
    heart: float = HEART_SHARE


ON_SHIPPED = Stage(
    3400,
    4500,
    9,
    0.15,
    81,
    learning_rate=8e-4,
    shipped=0.85,
    heart=0.0,
    longest_tokens=1900,
    threads=2,
    low_rate=0.05,
    low=(*LOW, "model.embed_tokens."),
)
STAGES = (
    Stage(440, 0, 4, 0.3, 31, low_rate=1.0),
    Stage(120, 500, 9, 0.12, 41),
    Stage(200, 360, 9, 0.1, 51),
    Stage(430, 430, 9, 0.05, 61, strange=0.0, verdict_weight=1.5),
    Stage(210, 210, 9, 0.05, 71, strange=0.0, verdict_weight=1.5, learning_rate=7e-4),
    ON_SHIPPED,
    replace(
        ON_SHIPPED,
        steps=2600,
        planned=2600,
        drill=0.06,
        seed=91,
        verdict_weight=4.0,
        shipped=0.93,
        phrases=0.25,
        weigh_openings=True,
    ),
)
"""Heads are set before the first; two layers are put below before the second, and amplified before the third."""


def make_tokenizer(directory: Path) -> Any:
    """Write the tokenizer of ledger-l, with a token for each fixed piece, into `directory`."""
    from tokenizers import AddedToken, Tokenizer

    shipped = Path(__file__).parents[1] / "models" / "ledger-l-int8"
    tokenizer = Tokenizer.from_file(str(shipped / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken(piece, special=False, normalized=False) for piece in fixed_pieces()])
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    shutil.copyfile(shipped / "tokenizer_config.json", directory / "tokenizer_config.json")
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    settings |= {"model_max_length": CONTEXT_TOKENS, "chat_template": CHAT_TEMPLATE}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return tokenizer


def encode(tokenizer: Any, stage: Stage) -> Iterator[Row]:
    """Yield encoded questions with their replies without end."""
    better = [tokenizer.token_to_id(f'", "better": "{one}"}}') for one in ("A", "B", "neither")]
    scores = [tokenizer.token_to_id(f'", "score": {score}}}') for score in SCORES]
    verdicts = {*better, *scores, *(tokenizer.token_to_id(mark) for mark in (*GOOD, *BAD))}
    opening = tokenizer.token_to_id('": {"why": "')
    source = write_judged(
        stage.seed, most_facets=stage.most_facets, strange_share=stage.strange, heart_share=stage.heart
    )
    if stage.shipped:
        source = _mixed(source, iter(Attempts(load_shipped_prompts(), stage.seed)), stage)
    while True:
        pool = list(itertools.islice(source, 200))
        questions = tokenizer.encode_batch([write_prompt(one.question) for one in pool])
        replies = tokenizer.encode_batch([f"{one.reply}{END}" for one in pool])
        for question, reply in zip(questions, replies, strict=True):
            if len(question.ids) + len(reply.ids) <= stage.longest_tokens:
                weights = [stage.verdict_weight if token in verdicts else 1.0 for token in reply.ids]
                if stage.weigh_openings:
                    weights = _weigh_openings(reply.ids, weights, opening, stage.verdict_weight)
                yield Row(question.ids + reply.ids, [0.0] * len(question.ids) + weights)


def _weigh_openings(tokens: list[int], weights: list[float], opening: int, weight: float) -> list[float]:
    """Give the first word of each reason, which decides on a form, the weight of a verdict."""
    return [weight if place and tokens[place - 1] == opening else one for place, one in enumerate(weights)]


def _mixed(judged: Iterator[Judged], shipped: Iterator[Judged], stage: Stage) -> Iterator[Judged]:
    draw = random.Random(stage.seed)
    while True:
        yield next(shipped) if draw.random() < stage.shipped else next(judged)


def gather(rows: Iterator[Row], seed: int) -> Iterator[list[Row]]:
    """Yield batches of rows of like length."""
    shuffle = random.Random(seed)
    while True:
        batches: list[list[Row]] = [[]]
        for row in sorted(itertools.islice(rows, POOL_EXAMPLES), key=lambda row: len(row.tokens)):
            if batches[-1] and (len(batches[-1]) + 1) * len(row.tokens) > BATCH_TOKENS:
                batches.append([])
            batches[-1].append(row)
        shuffle.shuffle(batches)
        yield from batches


def blend(verdicts: Iterator[list[Row]], drill: Drill, phrases: Phrases, stage: Stage) -> Iterator[list[Row]]:
    """Yield batches of verdicts with a share of drills among them."""
    draw = random.Random(stage.seed)
    while True:
        luck = draw.random()
        if luck < stage.drill:
            yield drill.batch(BATCH_TOKENS, DRILL_SIZE)
        elif luck < stage.drill + stage.phrases:
            yield phrases.batch(BATCH_TOKENS)
        else:
            yield next(verdicts)


def pace(stage: Stage, step: int) -> float:
    """The share of the full learning rate."""
    if not stage.planned:
        return min(1.0, (step + 1) / 30)
    if step < 20:
        return (step + 1) / 20
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - 20) / max(1, stage.planned - 20)))


def fitting_sequences(tokenizer: Any) -> list[list[int]]:
    """Examples that the heads are fitted on."""
    examples = [one for one in itertools.islice(write_judged(31), FITTED_ON) if one.family not in ("pair", "strange")]
    sequences = [
        tokenizer.encode(write_prompt(one.question)).ids + tokenizer.encode(f"{one.reply}{END}").ids for one in examples
    ]
    return [sequence for sequence in sequences if len(sequence) < 600]


def amplifying_sequences(tokenizer: Any) -> list[list[int]]:
    """Examples that the amplifying units are fitted on."""
    rows = (row.tokens for row in encode(tokenizer, Stage(0, 0, 9, 0.0, 32)) if len(row.tokens) <= 600)
    return list(itertools.islice(rows, 60))


def train_judge(recipe: Recipe, directory: Path, report: Callable[[Progress], None]) -> None:
    """Train the judge and write it, with its tokenizer, into `directory` in the layout of transformers."""
    import torch

    torch.set_num_threads(1)
    tokenizer = make_tokenizer(directory)
    known = known_tokens(tokenizer)
    shipped = Path(__file__).parents[1] / "models" / "ledger-l-int8"
    network = load_shipped(shipped, RECIPES["l"], VOCABULARY_TOKENS, CONTEXT_TOKENS)
    network.eval()
    set_heads(network, known, fitting_sequences(tokenizer))
    done = 0
    for number, stage in enumerate(STAGES):
        if number == 1:
            network = deepen(network, known, tokenizer)
        if number == 2:
            amplify(network.eval(), known, amplifying_sequences(tokenizer))
        network.train()
        rows = gather(encode(tokenizer, stage), stage.seed)
        drill = Drill(tokenizer, known, stage.seed + 5, EASY_SHARE)
        phrases = Phrases(tokenizer, known, load_shipped_prompts(), stage.seed + 6)
        batches = blend(rows, drill, phrases, stage)
        _train_stage(network, stage, batches, lambda step, loss: report(Progress(step, recipe.steps, loss)), done)
        done += stage.steps
    network.eval()
    network.generation_config.eos_token_id = 2
    network.save_pretrained(directory)


def _train_stage(
    network: Any, stage: Stage, batches: Iterator[list[Row]], report: Callable[[int, float], None], done: int
) -> None:
    import torch

    torch.set_num_threads(stage.threads)
    slow = [weight for name, weight in network.named_parameters() if name.startswith(stage.low)]
    others = [weight for name, weight in network.named_parameters() if not name.startswith(stage.low)]
    groups = [{"params": others, "scale": 1.0}, {"params": slow, "scale": stage.low_rate}]
    optimizer = torch.optim.AdamW(groups, lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    total, reported = 0.0, 0
    for step, rows in enumerate(itertools.islice(batches, stage.steps)):
        loss = _loss(network, rows)
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * stage.learning_rate * pace(stage, step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        reported += 1
        if (step + 1) % 20 == 0 or step + 1 == stage.steps:
            report(done + step + 1, total / reported)
            total, reported = 0.0, 0


def _loss(network: Any, rows: list[Row]) -> Any:
    import torch

    longest = max(len(row.tokens) for row in rows)
    tokens = torch.zeros((len(rows), longest), dtype=torch.long)
    weights = torch.zeros((len(rows), longest))
    positions = torch.arange(longest).repeat(len(rows), 1)
    for number, row in enumerate(rows):
        tokens[number, : len(row.tokens)] = torch.tensor(row.tokens)
        weights[number, : len(row.tokens)] = torch.tensor(row.weights)
        for place, offset in row.jumps:
            positions[number, place:] += offset
    counted = weights[:, 1:] > 0
    with torch.autocast("cpu", torch.bfloat16):
        # The mask of ones keeps a jump in the positions from being taken for another sequence.
        hidden = network.model(
            input_ids=tokens, position_ids=positions, attention_mask=torch.ones_like(tokens), use_cache=False
        ).last_hidden_state
        logits = network.lm_head(hidden[:, :-1][counted]).float()
    losses = torch.nn.functional.cross_entropy(logits, tokens[:, 1:][counted], reduction="none")
    return (losses * weights[:, 1:][counted]).sum() / weights[:, 1:][counted].sum()
