"""Layers that are to go to a GPU, where there is none; and a llama.cpp that needs its driver."""

import subprocess
from pathlib import Path

import pytest

from function.engine.llama.gpu import no_gpu_error, require_gpu
from tests.servers.doors import serving


def test_none_is_needed_where_no_layers_go_to_one() -> None:
    require_gpu(0)


def test_a_server_without_the_gpu_it_is_to_use_says_so(tmp_path: Path) -> None:
    """On the CPU it would answer too, ten times slower, for the price of both."""
    with serving(tmp_path, N_GPU_LAYERS="-1", CUDA_VISIBLE_DEVICES="") as function:
        error = function.wait("failed")["error"]
        status, told = function.ask("/chat", {"prompt": "Hello"})
    assert (error["code"], error["param"]) == ("no_gpu", "N_GPU_LAYERS")
    assert (status, told["error"]["code"]) == (503, "no_gpu")


@pytest.mark.parametrize(
    ("info", "remedy"), [("CUDA : ARCHS = 890 | CPU : AVX2 = 1 | ", "its driver"), ("CPU : AVX2 = 1 | ", "CUDA=12-6")]
)
def test_what_to_do_depends_on_what_llama_cpp_was_built_for(info: str, remedy: str) -> None:
    assert remedy in str(no_gpu_error(-1, info))


def test_a_build_for_a_gpu_on_a_machine_without_its_driver_says_so(tmp_path: Path) -> None:
    lib, driver = tmp_path / "lib", tmp_path / "libcuda.so.1"
    lib.mkdir()
    (tmp_path / "nothing.c").write_text("int nothing;")
    compiler = ["cc", "-shared", "-Wl,--no-as-needed"]
    subprocess.run([*compiler, "-Wl,-soname,libcuda.so.1", "-o", driver, "nothing.c"], cwd=tmp_path, check=True)
    subprocess.run([*compiler, "-o", lib / "libllama.so", "nothing.c", driver], cwd=tmp_path, check=True)
    driver.unlink()
    with serving(tmp_path, LLAMA_CPP_LIB_PATH=str(lib)) as function:
        error = function.wait("failed")["error"]
    assert error["code"] == "no_gpu"
    assert "no driver" in error["message"]
