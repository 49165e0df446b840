"""What /proc says of processes and processors: time, memory, who belongs to whom."""

import contextlib
import dataclasses
import os
import re
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True)
class Processors:
    """Seconds of all processors since the machine started: in programs, taken by its host, and in all."""

    programs: float
    steal: float
    all: float


def processors() -> Processors:
    """Read /proc/stat."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, idle, iowait, irq, softirq, steal = (int(field) / TICK for field in fields)
    every = user + nice + system + idle + iowait + irq + softirq + steal
    return Processors(user + nice + system, steal, every)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time of the processes and of their children that have ended."""
    return sum(sum(map(int, fields[11:15])) for pid in pids if (fields := _stat(pid))) / TICK


def children_cpu_seconds() -> float:
    """Return the processor time of this process's own children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def group(leader: int) -> list[int]:
    """Return the processes of a group, whichever of them started which."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[2]) == leader]


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def resident(pid: int) -> float:
    """Return the resident memory in MiB; 0 where the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmRSS:\s+([0-9]+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Let the processes, and what they start from now on, run on these cores alone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Let what this thread starts within the block run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        # It has ended meanwhile.
        return []
