"""The examinations of ``python -m function doctor``: each looks at one thing and says what it found."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from function.command.plan import describe
from function.command.progress_bar import bytes_of
from function.engine import (
    CPUVariants,
    choose_cpu_variant,
    find_libraries,
    has_openmp,
    list_gpus,
    read_system_info,
    require_gpu,
    use_libraries,
)
from function.errors import EngineError, FunctionError, NoGPU, UnsuitedCPU
from function.fetch import MemoryDestination
from function.gguf import Header, largest_context
from function.lifecycle.provenance import build, cpu_level
from function.settings import Settings, Stores, Telemetry
from function.sizing.load_plan import memory_needed
from function.source import open_source
from function.source.split_model import parts
from function.system.limits import cpus, memory_limit

CPU_FLAGS = {"avx512f": "AVX512", "avx512_vnni": "AVX512_VNNI", "avx_vnni": "AVX_VNNI"}
"""What Linux calls instructions, and what llama.cpp does. Not AMX, which a build for the machine at hand leaves out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``grade``: ``bad`` is what must be changed, ``fair`` what could be better. ``remedy``: what to do about it."""

    about: str
    grade: Literal["good", "fair", "bad"]
    found: str
    remedy: str = ""


def examine(settings: Settings, uri: str) -> Iterator[Finding]:
    """Everything, from the machine to the model; each finding as soon as it is made."""
    yield from engine(settings)
    yield processors(settings)
    if settings.n_gpu_layers:
        yield graphics(settings)
    yield memory()
    yield from traces()
    if _kept(uri):
        yield cache(settings)
    yield from credentials(uri, Stores.from_env())
    yield from model(settings, uri)


def engine(settings: Settings) -> Iterator[Finding]:
    """llama.cpp: whether it loads, how it was built, which instructions it uses."""
    rebuild = "CMAKE_ARGS=-DGGML_OPENMP=OFF pip install --force-reinstall --no-binary :all: llama-cpp-python"
    try:
        variants = CPUVariants(find_libraries())
        level = choose_cpu_variant(variants, settings.cpu_level, cache_dir=settings.model_cache_dir)
        if level is not None:
            use_libraries(level.folder, level.name)
        info = read_system_info()
    except (UnsuitedCPU, NoGPU) as e:
        yield Finding("CPU" if isinstance(e, UnsuitedCPU) else "GPU", "bad", str(e), _remedy(e.code))
        return
    except EngineError as e:
        yield Finding("llama.cpp", "bad", str(e), "Install it anew: make install.")
        return
    if has_openmp():
        yield Finding("llama.cpp", "bad", f"{build()}, with OpenMP: replies can be 2.8 times slower", rebuild)
    else:
        yield Finding("llama.cpp", "good", f"{build()}, without OpenMP")
    flags = _cpu_flags()
    unused = [name for flag, name in CPU_FLAGS.items() if flag in flags and f"{name} = 1" not in info]
    if level is not None:
        yield Finding("CPU", "good", f"{level.name}: {level.reason}")
    elif unused:
        found = f"{cpu_level(info)} is used; this CPU has {', '.join(unused)} besides"
        yield Finding("CPU", "fair", found, "A build for this machine's CPU (GGML_NATIVE=ON) may read prompts faster.")
    else:
        yield Finding("CPU", "good", f"{cpu_level(info)}, the best this CPU has" if flags else cpu_level(info))


def graphics(settings: Settings) -> Finding:
    """The GPU that layers are to go to."""
    try:
        require_gpu(settings.n_gpu_layers)
    except (NoGPU, EngineError) as e:
        return Finding("GPU", "bad", str(e), _remedy(e.code))
    return Finding("GPU", "good", ", ".join(list_gpus()))


def processors(settings: Settings) -> Finding:
    """CPUs, beside the threads that would use them."""
    have, threads = cpus(), settings.n_threads
    if threads is not None and threads > have:
        found = f"N_THREADS={threads}, and this process may use {have} CPUs: the threads wait for each other, spinning"
        return Finding("threads", "bad", found, f"Unset N_THREADS, or set it to at most {have}.")
    return Finding("threads", "good", f"{threads or have} on {have} CPUs, by affinity and cgroup quota")


def memory() -> Finding:
    """The memory there is."""
    limit = memory_limit()
    if limit is None:
        return Finding("memory", "fair", "no limit is known", "Nothing, unless replies end with the process killed.")
    return Finding("memory", "good", f"{bytes_of(limit)}, by cgroup or machine")


def traces() -> Iterator[Finding]:
    """OpenTelemetry, where it is asked for."""
    if not Telemetry.from_env().traces:
        return
    names = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
    if all(_installed(name) for name in names):
        yield Finding("traces", "good", "configured, and OpenTelemetry is installed")
    else:
        packages = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        yield Finding("traces", "bad", "configured, and OpenTelemetry is not installed", f"pip install {packages}")


def cache(settings: Settings) -> Finding:
    """The place a fetched model is kept in."""
    if settings.model_cache == "memory":
        try:
            MemoryDestination("").close()
        except FunctionError as e:
            return Finding("cache", "bad", str(e), _remedy(e.code))
        return Finding("cache", "good", "memory, which the file takes once; each new process fetches it again")
    folder = settings.model_cache_dir
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("cache", "bad", f"{folder} cannot be written", "Set MODEL_CACHE_DIR to a folder that can be.")
    return Finding("cache", "good", f"{folder}, {bytes_of(shutil.disk_usage(there).free)} free")


def credentials(uri: str, stores: Stores) -> Iterator[Finding]:
    """Whom the bucket will be told is asking."""
    sdk = "none in the environment: the SDK looks for a profile, a role or the platform's own; public buckets need none"
    if uri.startswith("s3://"):
        given = stores.aws_access_key_id
        found = (
            f"AWS_ACCESS_KEY_ID={given[:4]}…"
            if given
            else f"profile {stores.aws_profile}"
            if stores.aws_profile
            else sdk
        )
        yield Finding("credentials", "good", found)
    elif uri.startswith("gs://"):
        file = stores.google_application_credentials
        if file and not Path(file).is_file():
            found = f"GOOGLE_APPLICATION_CREDENTIALS={file}, and there is no such file"
            yield Finding("credentials", "bad", found, "Correct it, or unset it and use the platform's own.")
        else:
            yield Finding("credentials", "good", f"GOOGLE_APPLICATION_CREDENTIALS={file}" if file else sdk)


def model(settings: Settings, uri: str) -> Iterator[Finding]:
    """The store, the object, its header, and whether it fits."""
    try:
        source = open_source(parts(uri)[0])
        info = source.describe()
    except FunctionError as e:
        yield Finding("store", "bad", str(e), _remedy(e.code))
        return
    if info.checksums or settings.model_sha256 is not None or source.local is not None:
        yield Finding("store", "good", f"{uri} is there")
    else:
        found = f"{uri} is there; its store offers no checksum, so that a fetch could not be verified"
        yield Finding("store", "fair", found, "Set MODEL_SHA256, or push the model into a bucket.")
    try:
        header, size = describe(uri)
    except FunctionError as e:
        yield Finding("header", "bad", str(e), _remedy(e.code))
        return
    name = header.name or uri
    yield Finding("header", "good", f"{name}: {header.architecture}, {header.quantisation}, {bytes_of(size)}")
    if header.chat_template is None and settings.chat_template is None:
        yield Finding(
            "template",
            "fair",
            "the model brings no chat template; one is chosen by its vocabulary",
            "Set CHAT_TEMPLATE if replies are odd.",
        )
    yield fits(settings, header, size)


def fits(settings: Settings, header: Header, size: int) -> Finding:
    """The memory that the model needs, beside what there is."""
    needs = memory_needed(header, settings, size, memory_limit())
    found = f"{bytes_of(needs.total)} with {needs.n_ctx:,} tokens of context"
    if settings.n_gpu_layers:
        return Finding("fits", "good", f"{found}, of which what is the GPU's is known once it is loaded")
    if needs.fits:
        return Finding("fits", "good", found)
    smaller = largest_context(header, needs)
    remedy = f"Set N_CTX={smaller}" if smaller else "Take a model that is smaller, or quantised further"
    return Finding("fits", "bad", f"{found}; there are {bytes_of(needs.limit or 0)}", f"{remedy}, or give it memory.")


def _remedy(code: str) -> str:
    return f"docs/troubleshooting.md, {code}"


def _kept(uri: str) -> bool:
    """Whether the model is fetched into the cache; a local file is used in place."""
    scheme, separator, _ = uri.partition("://")
    return bool(separator) and scheme != "file"


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _cpu_flags() -> set[str]:
    """The instructions that Linux says the first CPU has; none where it says nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
