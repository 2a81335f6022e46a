"""The profile of the native core counts every function for the file that it is written in."""

from benchmarks import profile_core
from benchmarks.profile_core import CPU, DRAWING, GLUE, LIBRARIES, PPU, PYTHON


def test_functions_are_found_in_their_files():
    files = profile_core.functions_by_file()
    # Called from other files, with a type or an attribute on the line before, and static.
    assert files["draw_pixels"] == "machine/drawing.c"
    assert files["paint_lines_avx2"] == "machine/drawing.c"
    assert files["cpu_interpret"] == "machine/cpu.c"
    assert files["cpu_run"] == "machine/compiled.c"
    assert files["ppu_run"] == files["pass_lines"] == "machine/ppu.c"
    assert files["console_advance"] == "machine/console.c"
    assert files["reward_frame"] == "game/reward.c"
    assert files["resizer_gray"] == "batch/resize.c"
    assert "if" not in files
    assert "while" not in files


def test_samples_count_for_their_part():
    files = profile_core.functions_by_file()
    core, libc = "/x/core/_core.abi3.so", "/usr/lib/libc.so.6"
    samples = [
        *[("cpu_run", core)] * 3,
        ("unit_7", "/home/x y/mario-rl-envs/compiled-0-linux.so"),
        ("cpu_run.cold", core),
        ("draw_pixels", core),
        ("find_sprite_zero_hit", core),
        ("pool_run", core),
        ("__memmove_avx_unaligned_erms", libc),
        ("_PyEval_EvalFrameDefault", "/usr/lib/libpython3.11.so.1.0"),
    ]
    shares = profile_core.shares(samples, files)
    assert {name: share for name, share in shares.items() if share} == {
        CPU: 0.5,
        DRAWING: 0.1,
        PPU: 0.1,
        GLUE: 0.1,
        LIBRARIES: 0.1,
        PYTHON: 0.1,
    }


def test_table_has_shares_and_microseconds():
    shares = {**dict.fromkeys(profile_core.PARTS, 0.0), CPU: 0.75, DRAWING: 0.25}
    lines = profile_core.table({"ours": (shares, 100e-6)}).splitlines()
    assert f"| {CPU} | 75.0% | 75.0 µs |" in lines
    assert lines[-1] == "| an environment step | 100% | 100.0 µs |"


def test_lines_of_perf_are_read():
    line = "     7f0d7c3b2f3a draw_pixels (/home/x y/_core.abi3.so)"
    match = profile_core.SAMPLE.match(line)
    assert match is not None
    assert (match["function"], match["file"]) == ("draw_pixels", "/home/x y/_core.abi3.so")
