"""What the driver of NVIDIA's GPUs tells."""

from types import SimpleNamespace

from bench.runner.machine.gpu import NO_GPU, NOT_LISTED, NOT_TOLD, GpuMemory, gpus_of

Processes = tuple[SimpleNamespace, ...]


class DriverError(Exception):
    """What the library raises where the driver does not know."""


def process(pid: int, held_bytes: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=held_bytes)


def library(
    computing: tuple[Processes, ...], drawing: tuple[Processes, ...] = (), millijoules: tuple[int, ...] = ()
) -> SimpleNamespace:
    """Return a library that finds one GPU for each group of computing processes; it raises for what is left out."""

    def drawing_on(gpu: int) -> Processes:
        if not drawing:
            raise DriverError
        return drawing[gpu]

    def millijoules_of(gpu: int) -> int:
        if not millijoules:
            raise DriverError
        return millijoules[gpu]

    return SimpleNamespace(
        NVMLError=DriverError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(computing),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetComputeRunningProcesses=lambda gpu: computing[gpu],
        nvmlDeviceGetGraphicsRunningProcesses=drawing_on,
        nvmlDeviceGetTotalEnergyConsumption=millijoules_of,
    )


def test_memory_is_summed_over_gpus_and_processes() -> None:
    gpus = gpus_of(library(((process(7, 100), process(8, 20)), (process(7, 3), process(9, 1000)))))

    assert gpus.memory([7, 8]) == GpuMemory(123, None)


def test_a_process_in_both_lists_counts_once() -> None:
    gpus = gpus_of(library(((process(7, 100),),), drawing=((process(7, 100), process(8, 5)),)))

    assert gpus.memory([7, 8]) == GpuMemory(105, None)


def test_a_driver_that_lists_a_process_without_its_memory_does_not_tell() -> None:
    gpus = gpus_of(library(((process(7, None),),)))

    assert gpus.memory([7]) == GpuMemory(None, NOT_TOLD)


def test_a_process_in_no_list_has_no_figure() -> None:
    assert gpus_of(library(((process(7, 100),),))).memory([8]) == GpuMemory(None, NOT_LISTED)


def test_energy_is_summed_over_gpus() -> None:
    assert gpus_of(library(((), ()), millijoules=(1_500, 250))).joules() == 1.75


def test_a_gpu_that_counts_no_energy_has_none() -> None:
    assert gpus_of(library(((),))).joules() is None


def test_a_library_without_a_gpu() -> None:
    gpus = gpus_of(library(()))

    assert gpus.memory([7]) == GpuMemory(None, NO_GPU)
    assert gpus.joules() is None


def test_a_library_without_a_driver() -> None:
    def init() -> None:
        raise DriverError

    gpus = gpus_of(SimpleNamespace(NVMLError=DriverError, nvmlInit=init))

    assert gpus.memory([7]) == GpuMemory(None, NO_GPU)
    assert gpus.joules() is None
