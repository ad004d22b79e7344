from __future__ import annotations

from pathlib import Path

from deploy.node_memory import NodeMemory, parse_meminfo, read_node_memory

MB = 1024**2
MEMINFO = "MemTotal: 2097152 kB\nMemFree: 100 kB\nMemAvailable: 1048576 kB\nSwapTotal: 0 kB\nSwapFree: 204800 kB\n"


def make_proc(folder: Path, cgroup: str) -> Path:
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text(MEMINFO)
    (folder / "self" / "cgroup").write_text(cgroup)
    return folder


def make_group(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_memory_of_a_machine_counts_cache_and_free_swap() -> None:
    memory = parse_meminfo(MEMINFO)
    assert (memory.total_bytes, memory.free_bytes) == (2048 * MB, (1024 + 200) * MB)
    assert memory.available_bytes == memory.free_bytes - 2048 * MB // 20


def test_small_and_large_machines_keep_a_sensible_reserve() -> None:
    assert NodeMemory(256 * MB, 100 * MB).reserve_bytes == 32 * MB
    assert NodeMemory(64 * 1024 * MB, 100 * MB).reserve_bytes == 256 * MB
    assert NodeMemory(256 * MB, 10 * MB).available_bytes == 0


def test_limit_of_an_outer_group_counts_without_its_cache(tmp_path: Path) -> None:
    proc = make_proc(tmp_path / "proc", "0::/system.slice/toppcloud.service\n")
    groups = tmp_path / "groups"
    make_group(
        groups / "system.slice",
        {"memory.max": f"{512 * MB}\n", "memory.current": f"{400 * MB}\n", "memory.stat": f"inactive_file {60 * MB}\n"},
    )
    make_group(
        groups / "system.slice/toppcloud.service",
        {"memory.max": "max\n", "memory.current": "1\n", "memory.stat": "inactive_file 0\n"},
    )
    assert read_node_memory(proc, groups) == NodeMemory(512 * MB, 172 * MB)


def test_first_version_of_control_groups_inside_a_container(tmp_path: Path) -> None:
    proc = make_proc(tmp_path / "proc", "9:name=systemd:/docker/1\n4:memory:/docker/1\n0::/\n")
    groups = tmp_path / "groups"
    make_group(
        groups / "memory",
        {
            "memory.limit_in_bytes": f"{256 * MB}",
            "memory.usage_in_bytes": f"{300 * MB}",
            "memory.stat": f"total_inactive_file {10 * MB}\n",
        },
    )
    assert read_node_memory(proc, groups) == NodeMemory(256 * MB, 0)


def test_kernel_that_does_not_tell_limits_nothing(tmp_path: Path) -> None:
    assert read_node_memory(tmp_path, tmp_path) is None


def test_this_machine_tells() -> None:
    memory = read_node_memory()
    assert memory
    assert memory.free_bytes > 0
