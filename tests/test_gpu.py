"""GPU layers on a machine without a GPU, and a llama.cpp build whose driver is missing."""

import subprocess
from pathlib import Path

import pytest

from function.engine.llama.gpu import no_gpu_error, require_gpu
from tests.servers.doors import serving


def test_no_gpu_is_required_without_gpu_layers() -> None:
    require_gpu(0)


def test_server_reports_a_missing_gpu(tmp_path: Path) -> None:
    """The CPU could answer too, ten times slower, for the price of both."""
    with serving(tmp_path, N_GPU_LAYERS="-1", CUDA_VISIBLE_DEVICES="") as function:
        error = function.wait("failed")["error"]
        status, body = function.ask("/chat", {"prompt": "Hello"})
    assert (error["code"], error["param"]) == ("no_gpu", "N_GPU_LAYERS")
    assert (status, body["error"]["code"]) == (503, "no_gpu")


@pytest.mark.parametrize(
    ("info", "remedy"), [("CUDA : ARCHS = 890 | CPU : AVX2 = 1 | ", "its driver"), ("CPU : AVX2 = 1 | ", "CUDA=12-6")]
)
def test_remedy_depends_on_the_build(info: str, remedy: str) -> None:
    assert remedy in str(no_gpu_error(-1, info))


def test_gpu_build_reports_a_missing_driver(tmp_path: Path) -> None:
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
