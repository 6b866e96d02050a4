from bench.ab import Block, merged
from bench.schema.machine import Energy, MachineWatch, MemoryWatch, Probe
from bench.schema.sample import Failure
from tests import builders

MS = builders.MILLISECOND_NS


def probe(compute_ns: int) -> Probe:
    return Probe(compute_ns=compute_ns, memory_ns=5, cpu_hz=None, temperature_c=None, load_average=None)


def test_samples_of_the_second_block_are_round_2_and_count_from_the_session() -> None:
    first = builders.model_run(warmup=(builders.sample(round=0, position=0),), samples=(builders.sample(position=1),))
    second = builders.model_run(
        warmup=(builders.sample(round=0, position=0),), samples=(builders.sample(position=1, start_ns=7 * MS),)
    )

    run = merged([Block(0, first), Block(1_000 * MS, second)])

    assert [(one.round, one.position, one.start_ns) for one in run.warmup] == [(0, 0, 0), (0, 2, 1_000 * MS)]
    assert [(one.round, one.position, one.start_ns) for one in run.samples] == [(1, 1, 0), (2, 3, 1_007 * MS)]


def test_loads_after_the_first_are_reloads_and_the_peak_is_the_highest() -> None:
    first = builders.model_run(cold_load_ns=40 * MS, memory_peak_bytes=80)
    second = builders.model_run(cold_load_ns=44 * MS, memory_peak_bytes=90)
    third = builders.model_run(cold_load_ns=41 * MS, memory_peak_bytes=85)

    run = merged([Block(0, first), Block(1, second), Block(2, third)])

    assert run.cold_load_ns == 40 * MS
    assert run.reloads_ns == (44 * MS, 41 * MS)
    assert run.memory_peak_bytes == 90


def test_energy_and_what_was_watched_are_added_up() -> None:
    energy = Energy(source="rapl", joules=2.0, idle_watts=4.0, duration_ns=10)
    first = builders.model_run(
        energy=energy,
        memory_watch=MemoryWatch(period_ns=50, readings=3, cost_ns=7),
        machine_watch=MachineWatch(before=probe(1), after=probe(2), period_ns=9, late_ns=(1, 2), steal_share=0.0),
    )
    second = builders.model_run(
        energy=energy.model_copy(update={"joules": 3.0, "idle_watts": 5.0}),
        memory_watch=MemoryWatch(period_ns=50, readings=4, cost_ns=8),
        machine_watch=MachineWatch(before=probe(3), after=probe(4), period_ns=9, late_ns=(3,), steal_share=0.01),
    )

    run = merged([Block(0, first), Block(1, second)])

    assert run.energy == Energy(source="rapl", joules=5.0, idle_watts=4.5, duration_ns=20)
    assert run.memory_watch == MemoryWatch(period_ns=50, readings=7, cost_ns=15)
    assert run.machine_watch == MachineWatch(
        before=probe(1), after=probe(4), period_ns=9, late_ns=(1, 2, 3), steal_share=0.01
    )


def test_energy_that_one_block_lacks_is_none_with_a_reason() -> None:
    energy = Energy(source="rapl", joules=2.0, idle_watts=None, duration_ns=10)

    run = merged([Block(0, builders.model_run(energy=energy)), Block(1, builders.model_run(energy=None))])

    assert run.energy is None
    assert run.unmeasured["energy"] == "not measured"


def test_a_block_that_failed_leaves_the_others_and_its_failure() -> None:
    failure = Failure(kind="died", message="the process that held the model was killed by SIGKILL while answering")
    good = builders.model_run()
    bad = builders.failed_model(name="tiny", failure=failure)

    run = merged([Block(0, bad), Block(5, good)])

    assert run.failure == failure
    assert [one.round for one in run.samples] == [2]
    assert run.variant_id == good.variant_id
    assert run.cold_load_ns == good.cold_load_ns
