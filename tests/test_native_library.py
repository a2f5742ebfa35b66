"""C libraries: the place where the compiler puts them, and the libraries that are not used."""

import subprocess
import sys
from pathlib import Path

import pytest

from function.native.library import INTERFACES, load_library, native_library, open_library
from tools import native_libraries

ROOT = Path(__file__).parent.parent


def test_each_library_is_where_the_compiler_puts_it() -> None:
    assert {source.stem for source in native_libraries.SOURCES} == set(INTERFACES)
    for source in native_libraries.SOURCES:
        assert native_library(source.stem).parts[-3:] == native_libraries.library_path(Path(), source).parts


@pytest.mark.parametrize("name", sorted(INTERFACES))
def test_each_library_can_be_used(name: str) -> None:
    assert load_library(name) is not None, "make install-dev compiles it"


@pytest.mark.parametrize("source", [b"int vocabulary_interface(void) { return 0; }", b"", None])
def test_library_of_another_interface_is_not_used(source: bytes | None, tmp_path: Path) -> None:
    library = tmp_path / "libvocabulary.so"
    if source is not None:
        subprocess.run(["cc", "-shared", "-x", "c", "-", "-o", str(library)], input=source, check=True)
    with pytest.raises(OSError, match="libvocabulary"):
        open_library(library, "vocabulary")


@pytest.mark.parametrize("prefix", [sys.prefix, "/nonexistent"])
def test_model_is_read_with_and_without_libraries(prefix: str, tiny_model: Path) -> None:
    program = f"""
import sys
sys.prefix = {prefix!r}
from pathlib import Path
from function.engine.llama.candidates import candidate_finder
from function.engine.llama.model import Model
from function.gguf import read_header
path = Path({str(tiny_model)!r})
model = Model(path, n_ctx=64, n_threads=1, n_gpu_layers=0)
print(candidate_finder() is None, read_header(path).vocabulary_size, *model.vocabulary.read_special_names())
model.free()
"""
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = "['<|endoftext|>', '<|im_start|>', '<|im_end|>'] []"
    assert printed == f"{prefix != sys.prefix} 1024 {names}\n"
