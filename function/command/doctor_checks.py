"""Checks of ``python -m function doctor``, from the machine to the model."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from function.command.output import format_bytes
from function.command.plan import describe_use
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
from function.errors import EngineError, FunctionError, NoGPU, SettingsError, UnsuitedCPU
from function.fetch import open_cache
from function.gguf import Header
from function.lifecycle.early_header import read_remote_header
from function.lifecycle.provenance import build, cpu_level
from function.settings import Settings, Stores, Telemetry
from function.sizing.load_plan import estimate_memory, suggest_remedy
from function.source import FileSource, find_mount, is_fetched, is_remote, list_parts, open_source
from function.system.limits import cpus, memory_limit

CPU_FLAGS = {
    "avx512f": "AVX512", "avx512_vnni": "AVX512_VNNI", "avx_vnni": "AVX_VNNI", "amx_int8": "AMX_INT8"
}  # fmt: skip
"""Linux's and llama.cpp's names of instruction sets."""


ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "python"
"""Python with all packages, in a checkout."""
PACKAGES = (
    "awscrt", "boto3", "flask", "flask-swagger-ui", "functions-framework", "google-cloud-storage", "google-crc32c",
    "gunicorn", "jinja2", "llama-cpp-python", "llguidance", "numpy", "prometheus-client", "pydantic",
)  # fmt: skip
"""Packages that the function imports."""

Grade = Literal["good", "fair", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check. ``bad`` must be changed, ``fair`` could be better. ``remedy``: how to change it."""

    about: str
    grade: Grade
    found: str
    remedy: str = ""


def examine(uri: str | None) -> Iterator[Finding]:
    """Yield all findings on this machine, its settings and the model at ``uri``, by default MODEL_URI."""
    try:
        settings = Settings.from_env()
    except SettingsError as e:
        yield Finding("settings", "bad", str(e), "Correct the variable, or unset it.")
        return
    uri = uri or settings.model_uri
    packages = check_packages()
    yield packages
    if packages.grade != "bad":
        yield from check_library(settings)
    yield check_threads(settings)
    if settings.n_gpu_layers:
        yield check_gpu(settings)
    yield check_memory()
    yield from check_traces()
    if is_fetched(uri):
        yield check_cache(settings)
    if mount := find_mount(uri):
        found = f"{uri} is on a mount of type {mount}: each start reads it in parallel into the cache, unverified"
        yield Finding("mount", "fair", found, "Set MODEL_URI to the bucket behind the mount, or set MODEL_SHA256.")
    yield from check_credentials(uri, Stores.from_env())
    if packages.grade != "bad" or not is_remote(uri):
        yield from check_model(settings, uri)


def check_packages() -> Finding:
    """Check that the packages of the function are installed for this Python."""
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if not missing:
        return Finding("packages", "good", f"installed for {sys.executable}")
    if ENVIRONMENT.exists():
        remedy = f"Use the environment: {ENVIRONMENT} -m function doctor"
    else:
        remedy = "make install: it creates .venv with all packages."
    return Finding("packages", "bad", f"{', '.join(missing)}: not installed for {sys.executable}", remedy)


def check_library(settings: Settings) -> Iterator[Finding]:
    """Check that llama.cpp's library loads, how it was built, and the instruction sets it uses."""
    rebuild = "CMAKE_ARGS=-DGGML_OPENMP=OFF pip install --force-reinstall --no-binary :all: llama-cpp-python"
    try:
        variants = CPUVariants(find_libraries())
        level = choose_cpu_variant(variants, settings.cpu_level, cache_dir=settings.model_cache_dir)
        if level is not None:
            use_libraries(level.folder, level.name)
        info = read_system_info()
    except (UnsuitedCPU, NoGPU) as e:
        yield _bad("CPU" if isinstance(e, UnsuitedCPU) else "GPU", e)
        return
    except EngineError as e:
        yield Finding("llama.cpp", "bad", str(e), "Reinstall it: make install.")
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
        found = f"{cpu_level(info)} is used; this CPU also has {', '.join(unused)}"
        yield Finding("CPU", "fair", found, "A build for this machine's CPU may be faster: make install.")
    else:
        yield Finding("CPU", "good", f"{cpu_level(info)}, the best of this CPU" if flags else cpu_level(info))


def check_gpu(settings: Settings) -> Finding:
    """Check that there is a GPU for N_GPU_LAYERS."""
    try:
        require_gpu(settings.n_gpu_layers)
    except (NoGPU, EngineError) as e:
        return _bad("GPU", e)
    return Finding("GPU", "good", ", ".join(list_gpus()))


def check_threads(settings: Settings) -> Finding:
    """Check that there is a CPU for each thread."""
    have, threads = cpus(), settings.n_threads
    if threads is not None and threads > have:
        found = f"N_THREADS={threads}, but this process may use {have} CPUs: threads would spin while they wait"
        return Finding("threads", "bad", found, f"Unset N_THREADS, or set it to at most {have}.")
    return Finding("threads", "good", f"{threads or have} on {have} CPUs, by affinity and cgroup quota")


def check_memory() -> Finding:
    """Check that the memory limit is known."""
    limit = memory_limit()
    if limit is None:
        return Finding("memory", "fair", "no limit is known", "Nothing, unless the process is killed during replies.")
    return Finding("memory", "good", f"{format_bytes(limit)}, by cgroup or machine")


def check_traces() -> Iterator[Finding]:
    """Check that OpenTelemetry is installed, if its variables ask for traces."""
    if not Telemetry.from_env().exports_traces:
        return
    try:
        installed = all(map(find_spec, ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:
        installed = False
    if installed:
        yield Finding("traces", "good", "configured, and OpenTelemetry is installed")
    else:
        packages = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        yield Finding("traces", "bad", "configured, but OpenTelemetry is not installed", f"pip install {packages}")


def check_cache(settings: Settings) -> Finding:
    """Check that fetched models can be stored."""
    if settings.model_cache == "memory":
        try:
            open_cache(settings, "")  # closed with its last reference
        except FunctionError as e:
            return _bad("cache", e)
        return Finding("cache", "good", "memory, which holds the file once; each new process fetches it again")
    folder = settings.model_cache_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding("cache", "bad", f"{folder} cannot be written", "Set MODEL_CACHE_DIR to a writable folder.")
    return Finding("cache", "good", f"{folder}, {format_bytes(shutil.disk_usage(existing).free)} free")


def check_credentials(uri: str, stores: Stores) -> Iterator[Finding]:
    """Check the credentials in the environment for the bucket of ``uri``."""
    found = "none in the environment: the SDK looks for a profile, a role or the platform's; public buckets need none"
    if uri.startswith("s3://"):
        if stores.aws_access_key_id:
            found = f"AWS_ACCESS_KEY_ID={stores.aws_access_key_id[:4]}…"
        elif stores.aws_profile:
            found = f"profile {stores.aws_profile}"
    elif uri.startswith("gs://"):
        file = stores.google_application_credentials
        if file and not Path(file).is_file():
            found = f"GOOGLE_APPLICATION_CREDENTIALS={file}, but that file does not exist"
            yield Finding("credentials", "bad", found, "Correct it, or unset it to use the platform's credentials.")
            return
        if file:
            found = f"GOOGLE_APPLICATION_CREDENTIALS={file}"
    else:
        return
    yield Finding("credentials", "good", found)


def check_model(settings: Settings, uri: str) -> Iterator[Finding]:
    """Check the store, the object, its header, and that the model fits."""
    try:
        source = open_source(list_parts(uri)[0])
        info = source.describe()
    except FunctionError as e:
        yield _bad("store", e)
        return
    if info.checksums or settings.model_sha256 is not None or isinstance(source, FileSource):
        yield Finding("store", "good", f"{uri} exists")
    else:
        found = f"{uri} exists, but its store offers no checksum, so that a fetch cannot be verified"
        yield Finding("store", "fair", found, "Set MODEL_SHA256, or push the model to a bucket.")
    try:
        header, size = read_remote_header(uri)
        header = header.with_pooling(settings.pooling)
    except FunctionError as e:
        yield _bad("header", e)
        return
    name = header.name or uri
    yield Finding("header", "good", f"{name}: {header.architecture}, {header.quantisation}, {format_bytes(size)}")
    if header.kind != "chat":
        yield Finding("kind", "good", f"{describe_use(header)}; it does not chat")
    elif header.chat_template is None and settings.chat_template is None:
        found = "the model has no chat template; one is chosen by its vocabulary"
        yield Finding("template", "fair", found, "Set CHAT_TEMPLATE if replies are odd.")
    yield check_fit(settings, header, size)


def check_fit(settings: Settings, header: Header, size: int) -> Finding:
    """Check that the memory suffices for the model."""
    needs = estimate_memory(header, settings, size, memory_limit())
    found = f"{format_bytes(needs.total)} with {needs.n_ctx:,} tokens of context"
    if settings.n_gpu_layers:
        return Finding("fits", "good", f"{found}, part of it on the GPU; the split is known after the load")
    if needs.fits:
        return Finding("fits", "good", found)
    found = f"{found}; {format_bytes(needs.limit or 0)} are available"
    return Finding("fits", "bad", found, suggest_remedy(header, needs))


def _bad(about: str, error: FunctionError) -> Finding:
    return Finding(about, "bad", str(error), f"docs/troubleshooting.md, {error.code}")


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cpu_flags() -> set[str]:
    """Return the instruction sets of the first CPU, by Linux; empty if Linux lists none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
