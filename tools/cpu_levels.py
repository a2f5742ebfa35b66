"""Builds of llama.cpp's CPU library for each level of instructions, next to the installed one.

    python tools/cpu_levels.py --lib …/site-packages/llama_cpp/lib [--source SDIST] [LEVEL …]

Only the smallest of llama.cpp's libraries, libggml-cpu.so, depends on the CPU. For each level the folder
``lib/levels/NAME`` gets a library of its own and links to the others, so that LLAMA_CPP_LIB_PATH can name the folder.
The CPU flags that each level needs are written to ``lib/levels/levels.json``. function/engine/llama/cpu.py chooses a
level at the start with this file and the program ``lib/levels/proof`` (proof.c). The library in ``lib`` itself, built
with GGML_NATIVE=OFF, is the baseline.

This module uses only the standard library. It needs cmake, a C++ compiler and, without ``--source``, pip, and takes a
minute or two for each level.
"""

import argparse
import json
import math
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

BASELINE = "baseline"
TILE_CONFIG = Path(__file__).resolve().with_name("tile_config.h")
CPU_LIBRARY = "libggml-cpu.so.0"
WANTED = re.compile(r"lib[\w+-]+\.so(\.\d+)?$")
"""File names that the dynamic loader looks for."""
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    "CMAKE_INSTALL_RPATH": "$ORIGIN",
    "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
    "BUILD_SHARED_LIBS": "ON",
    "GGML_NATIVE": "OFF",
    "GGML_OPENMP": "OFF",  # as in pyproject.toml
    **dict.fromkeys(("GGML_SSE42", "GGML_AVX", "GGML_AVX2", "GGML_FMA", "GGML_F16C", "GGML_BMI2"), "ON"),
    **dict.fromkeys(("GGML_AVX512", "GGML_AVX512_VNNI", "GGML_AVX512_VBMI", "GGML_AVX512_BF16"), "OFF"),
    **dict.fromkeys(("GGML_AMX_TILE", "GGML_AMX_INT8"), "OFF"),
    **dict.fromkeys(("LLAMA_BUILD_COMMON", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_TOOLS", "LLAMA_BUILD_EXAMPLES"), "OFF"),
    **dict.fromkeys(("LLAMA_BUILD_APP", "LLAMA_OPENSSL"), "OFF"),
}
"""Every option that a level may change is listed, because a build folder keeps the last value of an option."""


@dataclass(frozen=True, slots=True)
class CPULevel:
    """Level of instructions: the flags in /proc/cpuinfo, and the options of ggml's CMake that use them."""

    name: str
    flags: tuple[str, ...]
    options: Mapping[str, str]


_AVX2 = ("avx2", "fma", "f16c", "bmi2")
_AVX512 = (*_AVX2, "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl")
_VNNI = (*_AVX512, "avx512_vnni")
_BF16 = (*_VNNI, "avx512_bf16", "avx512vbmi")
_ON_AVX512 = {"GGML_AVX512": "ON"}
_ON_VNNI = {**_ON_AVX512, "GGML_AVX512_VNNI": "ON"}
_ON_BF16 = {**_ON_VNNI, "GGML_AVX512_BF16": "ON", "GGML_AVX512_VBMI": "ON"}
_DOTPROD = ("asimddp", "asimdhp")
_ARM = "GGML_CPU_ARM_ARCH"

LEVELS = {
    "x86_64": (
        CPULevel(BASELINE, _AVX2, {}),
        CPULevel("avx512", _AVX512, _ON_AVX512),  # Skylake
        CPULevel("avx512_vnni", _VNNI, _ON_VNNI),  # Cascade Lake, Ice Lake
        CPULevel("avx512_bf16", _BF16, _ON_BF16),  # Zen 4
        CPULevel("amx", (*_BF16, "amx_tile", "amx_int8"), {**_ON_BF16, "GGML_AMX_TILE": "ON", "GGML_AMX_INT8": "ON"}),
    ),
    "aarch64": (
        CPULevel(BASELINE, _DOTPROD, {_ARM: "armv8.2-a+dotprod+fp16"}),  # Graviton2
        CPULevel("i8mm", (*_DOTPROD, "i8mm"), {_ARM: "armv8.2-a+dotprod+fp16+i8mm"}),
        CPULevel(
            "sve", (*_DOTPROD, "i8mm", "sve"), {_ARM: "armv8.2-a+dotprod+fp16+i8mm+sve"}
        ),  # Graviton3 and 4, Axion
    ),
}
"""Levels of each machine, from the lowest to the highest."""


def build(lib: Path, levels: Sequence[CPULevel], llama_cpp: Path, work: Path) -> None:
    """Add ``levels`` to ``lib``, which is itself the level ``baseline``; compile ``llama_cpp`` in ``work``.

    One build folder is configured for one level after the other, so that common files are compiled once.
    """
    folder = lib / "levels"
    folder.mkdir(exist_ok=True)
    for level in levels:
        if level.name == BASELINE:
            continue
        arrange(lib, level.name, compile_level(level, llama_cpp, work))
    compile_proof(lib, (llama_cpp / "include", llama_cpp / "ggml" / "include"), folder / "proof")
    write_proof_model(folder / "proof.gguf")
    describe(lib, {level.name: level.flags for level in levels})


def compile_level(level: CPULevel, llama_cpp: Path, work: Path) -> Path:
    """Compile the level's library in ``work``; return its path."""
    options = OPTIONS | {"CMAKE_CXX_FLAGS": f"-include {TILE_CONFIG}"} | dict(level.options)
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    defined = [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(["cmake", "-S", llama_cpp, "-B", work, *generator, *defined], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", work, "--target", "ggml-cpu", "--parallel", jobs], check=True)
    return next(work.rglob(CPU_LIBRARY))


def arrange(lib: Path, name: str, library: Path) -> None:
    """Create the level's folder: ``library``, and links to all other libraries in ``lib``.

    The loader takes $ORIGIN from the requested path, not from the target of a link; thus each library finds the others
    here.
    """
    folder = lib / "levels" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in lib.iterdir():
        if WANTED.match(path.name) and not path.name.startswith("libggml-cpu."):
            (folder / path.name).symlink_to(f"../../{path.name}")
    shutil.copy(library, folder / CPU_LIBRARY)


def compile_proof(lib: Path, headers: Sequence[Path], program: Path) -> None:
    """Compile proof.c, which runs with any level's libraries."""
    source = Path(__file__).with_name("proof.c")
    include = [f"-I{path}" for path in headers]
    # For a GPU build, the driver is on the machine that runs it, not on the one that builds it.
    link = [f"-L{lib}", f"-Wl,-rpath-link,{lib}", "-Wl,--allow-shlib-undefined", "-lllama", "-lm"]
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O1", "-s", "-Wall", "-o", program, source, *include, *link], check=True)


def write_proof_model(path: Path) -> None:
    """Write the model that the proof decodes: two layers of random weights in Q8_0 and Q4_0, without a vocabulary."""
    width, feed_forward, tokens, layers = 256, 512, 512, 2
    metadata: dict[str, str | int | float] = {
        "general.architecture": "llama",
        "llama.block_count": layers,
        "llama.context_length": 64,
        "llama.embedding_length": width,
        "llama.feed_forward_length": feed_forward,
        "llama.attention.head_count": 4,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.vocab_size": tokens,
        "tokenizer.ggml.model": "none",
    }
    tensors = {"token_embd.weight": (width, tokens, _Q8_0), "output_norm.weight": (width, 1, _F32)}
    for layer in range(layers):
        for name, columns, rows, kind in (
            ("attn_norm", width, 1, _F32),
            ("attn_q", width, width, _Q8_0),
            ("attn_k", width, width, _Q8_0),
            ("attn_v", width, width, _Q8_0),
            ("attn_output", width, width, _Q4_0),
            ("ffn_norm", width, 1, _F32),
            ("ffn_gate", width, feed_forward, _Q4_0),
            ("ffn_up", width, feed_forward, _Q4_0),
            ("ffn_down", feed_forward, width, _Q4_0),
        ):
            tensors[f"blk.{layer}.{name}.weight"] = (columns, rows, kind)

    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, data = (
            (8, _text(value)) if isinstance(value, str) else
            (4, struct.pack("<I", value)) if isinstance(value, int) else
            (6, struct.pack("<f", value))
        )  # fmt: skip
        header += _text(key) + struct.pack("<I", kind) + data
    weights, random = b"", Random(0)
    for name, (columns, rows, kind) in tensors.items():
        shape = struct.pack("<IQQ", 2, columns, rows) if rows > 1 else struct.pack("<IQ", 1, columns)
        header += _text(name) + shape + struct.pack("<IQ", kind, len(weights))
        weights += _weights(columns, rows, kind, random)
    path.write_bytes(header + b"\0" * (-len(header) % 32) + weights)


_F32, _Q4_0, _Q8_0 = 0, 2, 8
"""GGUF's numbers of the tensor types."""


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _weights(columns: int, rows: int, kind: int, random: Random) -> bytes:
    """Return ones for a norm; for a matrix random blocks whose scale keeps activations near one."""
    if kind == _F32:
        return struct.pack(f"<{columns}f", *[1.0] * columns)
    size, deviation = (16, 4.6) if kind == _Q4_0 else (32, 73.9)
    scale = struct.pack("<e", 1 / (deviation * math.sqrt(columns)))
    return b"".join(scale + random.randbytes(size) for _ in range(columns * rows // 32))


def describe(lib: Path, levels: Mapping[str, Sequence[str]]) -> None:
    """Write the list of levels, from the lowest to the highest, with the flags that each needs."""
    (lib / "levels" / "levels.json").write_text(json.dumps(levels, indent=1) + "\n")


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpack an sdist of llama-cpp-python; return the folder of llama.cpp's sources."""
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    return folder / archive.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"


def download(release: str, folder: Path) -> Path:
    """Download the sdist of llama-cpp-python; return its path."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python"]
    subprocess.run([*pip, f"llama-cpp-python=={release}", "--dest", folder], check=True)
    return next(folder.glob("*.tar.gz"))


def installed(lib: Path) -> str:
    """Return the version of llama-cpp-python that ``lib`` belongs to; the sources must match it."""
    return next(lib.parent.parent.glob("llama_cpp_python-*.dist-info")).name.split("-")[1].removesuffix(".dist")


def main() -> None:
    """Run the command line."""
    every = LEVELS.get(platform.machine(), ())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lib", type=Path, required=True, help="folder of the installed libraries")
    parser.add_argument("--source", type=Path, help="llama-cpp-python's sdist, .tar.gz; by default it is downloaded")
    parser.add_argument("levels", nargs="*", help="levels to build: " + ", ".join(level.name for level in every[1:]))
    arguments = parser.parse_args()
    lib = arguments.lib.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = arguments.source or download(installed(lib), folder)
        named = arguments.levels or [level.name for level in every]
        chosen = [level for level in every if level.name in (BASELINE, *named)]
        build(lib, chosen, unpacked(source, folder), folder / "build")


if __name__ == "__main__":
    main()
