"""The bindings: built without OpenMP, and imported without their package."""

import subprocess
import sys

from function.engine import has_openmp, read_system_info
from function.engine.llama.library import library


def test_build_has_no_openmp() -> None:
    assert "CPU :" in read_system_info()
    assert not has_openmp(), "llama-cpp-python must be built with CMAKE_ARGS=-DGGML_OPENMP=OFF"


def test_bindings_load_once() -> None:
    assert library() is library()


def test_bindings_load_without_their_package_and_leave_it_usable() -> None:
    script = (
        "import sys; from function.engine.llama.library import library; found = library();"
        "assert 'numpy' not in sys.modules; import llama_cpp;"
        "assert llama_cpp.Llama; assert llama_cpp.llama_cpp is found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
