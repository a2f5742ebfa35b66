"""Choice of the CPU library: real libraries, some of which crash, hang or are damaged, in a real subprocess."""

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.levels import portable
from function.engine import CPUVariants, choose_cpu_variant
from function.engine.llama.cpu import CHOICE_FILE, CPUINFO
from function.errors import UnsuitedCPU
from tests.servers.doors import serving
from tools.cpu_levels import CPU_LIBRARY, arrange, compile_proof, describe, write_proof_model

INSTALLED = Path(sysconfig.get_path("platlib")) / "llama_cpp" / "lib"
HEADERS = Path(sysconfig.get_path("platlib")) / "include"
ILLEGAL = "__attribute__((constructor)) static void run(void) { __builtin_trap(); }"
ENDLESS = "#include <unistd.h>\n__attribute__((constructor)) static void run(void) { for (;;) pause(); }"
EMPTY = "int nothing;"
DAMAGED = b"\x7fELF and no more"

Lib = Callable[..., Path]


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program that decodes, against the installed library."""
    program = tmp_path_factory.mktemp("proof") / "proof"
    compile_proof(INSTALLED, (HEADERS,), program)
    return program


@pytest.fixture
def lib(tmp_path: Path, proof: Path) -> Lib:
    """Copy the installed libraries and add levels, from the least to the best.

    Each is C to compile, bytes to write, or None for the installed library again; ``needs`` are CPU flags.
    """

    def make(needs: Sequence[str] = (), **levels: str | bytes | None) -> Path:
        folder = tmp_path / "lib"
        shutil.copytree(INSTALLED, folder)
        for name, content in levels.items():
            library = tmp_path / f"{name}.so"
            if content is None:
                shutil.copy(INSTALLED / CPU_LIBRARY, library)
            elif isinstance(content, bytes):
                library.write_bytes(content)
            else:
                source = library.with_suffix(".c")
                source.write_text(content)
                subprocess.run(["cc", "-shared", f"-Wl,-soname,{CPU_LIBRARY}", "-o", library, source], check=True)
            arrange(folder, name, library)
        shutil.copy(proof, folder / "levels" / "proof")
        write_proof_model(folder / "levels" / "proof.gguf")
        describe(folder, {"baseline": [], **dict.fromkeys(levels, needs)})
        return folder

    return make


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (ILLEGAL, "it died of SIG"),
        (ENDLESS, "did not finish"),
        (EMPTY, "undefined symbol"),
        (DAMAGED, "error while loading shared libraries"),
    ],
)
def test_library_that_does_not_decode_is_rejected_and_logged(lib: Lib, content: str | bytes, why: str) -> None:
    level = choose_cpu_variant(CPUVariants(lib(good=None, bad=content)), timeout=5)
    assert level is not None
    assert level.name == "good"
    assert why in level.reason
    assert level.folder.name == "good"


def test_baseline_is_chosen_if_no_better_level_decodes(lib: Lib) -> None:
    folder = lib(bad=ILLEGAL, worse=DAMAGED)
    level = choose_cpu_variant(CPUVariants(folder))
    assert level is not None
    assert (level.name, level.folder) == ("baseline", folder)
    assert "bad: it died" in level.reason


def test_level_with_missing_instructions_is_not_tried(lib: Lib, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Old\nflags\t\t: fpu avx2\n\nmodel name\t: Old\nflags\t\t: fpu avx2 avx512f\n\n")
    level = choose_cpu_variant(CPUVariants(lib(["avx512f"], better=None)), cpuinfo=cpuinfo)
    assert level is not None
    assert (level.name, level.reason) == ("baseline", "better: the CPU has no avx512f")


def test_arm_features_are_read(lib: Lib, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\nCPU part\t: 0xd40\n\n")
    level = choose_cpu_variant(CPUVariants(lib(["asimddp", "i8mm"], better=None)), cpuinfo=cpuinfo)
    assert level is not None
    assert level.name == "better"


def test_cpu_below_the_baseline_is_an_error(lib: Lib, tmp_path: Path) -> None:
    folder = lib(better=None)
    describe(folder, {"baseline": ["avx2"], "better": ["avx512f"]})
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : sse2\n")
    with pytest.raises(UnsuitedCPU, match="baseline: the CPU has no avx2"):
        choose_cpu_variant(CPUVariants(folder), cpuinfo=cpuinfo)


def test_single_library_needs_no_choice(tmp_path: Path) -> None:
    single = CPUVariants(shutil.copytree(INSTALLED, tmp_path / "lib", ignore=shutil.ignore_patterns("levels")))
    assert choose_cpu_variant(single) is None
    with pytest.raises(UnsuitedCPU, match="CPU_LEVEL=avx512"):
        choose_cpu_variant(single, "avx512")


def test_wanted_level_must_decode(lib: Lib) -> None:
    levels = CPUVariants(lib(first=None, second=None, bad=ILLEGAL))
    level = choose_cpu_variant(levels, "first")
    assert level is not None
    assert level.name == "first"
    with pytest.raises(UnsuitedCPU, match="died of SIG"):
        choose_cpu_variant(levels, "bad")
    with pytest.raises(UnsuitedCPU, match="there are baseline, first, second, bad"):
        choose_cpu_variant(levels, "avx1024")


def test_choice_is_kept_until_cpu_or_libraries_change(lib: Lib, tmp_path: Path) -> None:
    folder = lib(good=None)
    memory = tmp_path / "memory"
    choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    assert not memory.exists(), "the folder is created by the cache, which verifies it"
    memory.mkdir()
    choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    assert json.loads((memory / CHOICE_FILE).read_text())["level"] == "good"

    (folder / "levels" / "proof").unlink()  # no further proof can succeed
    level = choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    assert level is not None
    assert (level.name, level.reason) == ("good", "proved by an earlier start")
    (folder / "levels" / "good" / CPU_LIBRARY).touch()
    level = choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    assert level is not None
    assert level.name == "baseline"


@pytest.mark.parametrize("kept", ["", "{}", "[]", '{"key": 1, "level": 2}'])
def test_damaged_choice_file_is_ignored(lib: Lib, tmp_path: Path, kept: str) -> None:
    (tmp_path / CHOICE_FILE).write_text(kept)
    level = choose_cpu_variant(CPUVariants(lib(good=None)), cache_dir=tmp_path)
    assert level is not None
    assert level.reason == "it decodes"


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "plant",
    [
        _linked,
        _pipe,
        lambda path: path.chmod(0o622),
        pytest.param(
            lambda path: os.chown(path, 65534, 65534),
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away"),
        ),
    ],
)
def test_choice_file_writable_by_others_is_ignored(lib: Lib, tmp_path: Path, plant: Callable[[Path], None]) -> None:
    folder, memory = lib(good=None), tmp_path / "memory"
    memory.mkdir()
    choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    plant(memory / CHOICE_FILE)
    level = choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    assert level is not None
    assert level.reason == "it decodes"
    level = choose_cpu_variant(CPUVariants(folder), cache_dir=memory)
    assert level is not None
    assert level.reason == "proved by an earlier start"


def test_choice_is_not_written_through_a_link(lib: Lib, tmp_path: Path) -> None:
    victim, memory = tmp_path / "victim", tmp_path / "memory"
    victim.write_text("precious")
    memory.mkdir()
    for name in (CHOICE_FILE, f"{CHOICE_FILE}.part"):
        (memory / name).symlink_to(victim)
    choose_cpu_variant(CPUVariants(lib(good=None)), cache_dir=memory)
    assert victim.read_text() == "precious"
    assert (memory / CHOICE_FILE).is_file()


def test_server_loads_and_logs_the_best_level_that_decodes(lib: Lib, tmp_path: Path) -> None:
    """A library that would crash the process lies beside it."""
    folder = lib(good=None, bad=ILLEGAL)
    with serving(tmp_path, LLAMA_CPP_LIB_PATH=str(folder)) as function:
        status, text = function.ask("/chat", {"prompt": "hi", "max_tokens": 8})
        assert status == 200, text
        maps = [path.read_text() for path in _maps(function.process.pid)]
    assert any(f"{folder}/levels/good/{CPU_LIBRARY}" in text for text in maps)
    line = next(line for line in map(json.loads, _lines(function.log)) if line.get("event") == "cpu_level")
    assert line["level"] == "good"
    assert "bad: it died of SIG" in line["message"]


def test_proof_links_without_a_gpu_driver(tmp_path: Path) -> None:
    """The machine that builds an image has none."""
    lib = tmp_path / "lib"
    shutil.copytree(INSTALLED, lib)
    (tmp_path / "driver.c").write_text("int driver(void) { return 0; }")
    (tmp_path / "user.c").write_text("int driver(void); int llama_backend_init(void) { return driver(); }")
    subprocess.run(["cc", "-shared", "-o", "libdriver.so", "driver.c"], cwd=tmp_path, check=True)
    subprocess.run(["cc", "-shared", "-o", lib / "libuser.so", "user.c", "libdriver.so"], cwd=tmp_path, check=True)
    (lib / "libllama.so").write_text("INPUT(libuser.so libllama.so.0)")
    compile_proof(lib, (HEADERS,), tmp_path / "proof")
    assert (tmp_path / "proof").exists()


def test_other_dependencies_are_found_in_the_usual_folders(
    lib: Lib, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example a GPU's driver: Cloud Run puts its folder into LD_LIBRARY_PATH."""
    levels, driver = CPUVariants(lib(good=None)), tmp_path / "libdriver.so"
    (tmp_path / "driver.c").write_text("int driver(void) { return 0; }")
    (tmp_path / "needs.c").write_text("int driver(void); int main(void) { return driver(); }")
    subprocess.run(["cc", "-shared", "-o", driver, tmp_path / "driver.c"], check=True)
    subprocess.run(
        ["cc", "-o", levels.lib / "levels" / "proof", tmp_path / "needs.c", driver.name], cwd=tmp_path, check=True
    )
    assert "libdriver.so: cannot open" in (levels.prove("good", 5) or "")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert levels.prove("good", 5) is None


def test_server_reports_why_a_level_is_unusable(lib: Lib, tmp_path: Path) -> None:
    with serving(tmp_path, LLAMA_CPP_LIB_PATH=str(lib(bad=ILLEGAL)), CPU_LEVEL="bad") as function:
        error = function.wait("failed")["error"]
    assert error["code"] == "unsuited_cpu"
    assert "died of SIG" in error["message"]


@pytest.mark.slow
def test_compiled_levels_run_or_are_rejected_despite_cpu_flags(tmp_path: Path) -> None:
    """Takes minutes if the levels are not compiled yet."""
    levels = CPUVariants(portable())
    has = set(CPUINFO.read_text().split("\n\n")[0].split())
    runs = [name for name, needs in levels.needs.items() if set(needs) <= has]
    assert runs, "no level runs, not even the baseline"
    for name in levels.needs:
        problem = levels.prove(name, 60)
        assert (problem is None) == (name in runs), f"{name}: {problem}"
        assert problem in (None, "it died of SIGILL")

    boast = tmp_path / "cpuinfo"  # as if a hypervisor hid the missing AVX-512
    boast.write_text("flags : " + " ".join(flag for needs in levels.needs.values() for flag in needs) + "\n")
    for cpuinfo in (CPUINFO, boast):
        level = choose_cpu_variant(levels, cpuinfo=cpuinfo, timeout=60)
        assert level is not None
        assert level.name == runs[-1]


@pytest.mark.slow
def test_compiled_levels_serve(tmp_path: Path) -> None:
    lib = portable()
    for name in ("baseline", next(iter(CPUVariants(lib).needs))):
        folder = tmp_path / name
        folder.mkdir()
        with serving(folder, LLAMA_CPP_LIB_PATH=str(lib), CPU_LEVEL=name) as function:
            status, text = function.ask("/chat", {"prompt": "Hello!", "max_tokens": 24, "temperature": 0})
            assert (status, bool(text)) == (200, True), text


def _lines(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if line.startswith("{")]


def _maps(parent: int) -> list[Path]:
    """Return the mappings of the process and its children."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [Path(f"/proc/{pid}/maps") for pid in (str(parent), *children)]
