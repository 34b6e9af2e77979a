"""What XLA is told by the tests, and by processes that they start with other devices."""

import os

# Small models: compiling takes longer than running, and with the newer emitters of the CPU's
# compiler three times as long as with the older. A module that is cut for many cores takes a fifth
# more of one; other tests have the rest.
QUICK = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)


def flags(devices: int = 1) -> str:
    """The value of XLA_FLAGS with which a process simulates devices, and compiles quickly."""
    own = (f"--xla_force_host_platform_device_count={devices}", *QUICK)
    names = {one.partition("=")[0] for one in own}
    given = os.environ.get("XLA_FLAGS", "").split()
    return " ".join([*(one for one in given if one.partition("=")[0] not in names), *own])
