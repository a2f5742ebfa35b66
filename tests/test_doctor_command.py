"""``python -m function doctor``: problems are found, each with a remedy."""

import json
from pathlib import Path
from typing import Any

import pytest

from function.command.doctor_checks import Finding, check_fit
from function.gguf import read_header
from function.settings import Settings
from tests.command_line import function
from tests.servers.stores import Store


def run_doctor(*arguments: str | Path, **env: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status, and the findings by subject."""
    outcome = function("doctor", *arguments, "--json", env=env)
    return outcome.returncode, {each["about"]: each for each in json.loads(outcome.stdout)["findings"]}


def test_doctor_finds_nothing_bad_on_a_healthy_machine() -> None:
    outcome = function("doctor")
    assert outcome.returncode == 0, outcome.stdout
    for about in ("llama.cpp", "CPU", "threads", "memory", "store", "header", "fits"):
        assert f"  {about} " in outcome.stdout
    assert "BAD" not in outcome.stdout


def test_doctor_checks_a_model_in_a_bucket(s3: Store, tiny_model: Path, tmp_path: Path) -> None:
    uri = s3.put("doctor.gguf", tiny_model.read_bytes())
    status, found = run_doctor(uri, **s3.env, MODEL_CACHE_DIR=str(tmp_path))
    assert status == 0, found
    assert found["cache"]["found"].startswith(str(tmp_path))
    assert found["credentials"]["grade"] == "good"
    assert "tiny random" in found["header"]["found"]


def test_memory_cache_needs_no_directory(s3: Store, tiny_model: Path) -> None:
    uri = s3.put("doctor.gguf", tiny_model.read_bytes())
    status, found = run_doctor(uri, **s3.env, MODEL_CACHE="memory", MODEL_CACHE_DIR="/proc/nowhere")
    assert status == 0, found
    assert found["cache"]["found"].startswith("memory")


@pytest.mark.parametrize(
    ("env", "about", "remedy"),
    [
        ({"N_THREADS": "1000"}, "threads", "Unset N_THREADS"),
        ({"N_CTX": "many"}, "settings", "Correct the variable"),
        ({"N_GPU_LAYERS": "-1", "CUDA_VISIBLE_DEVICES": ""}, "GPU", "no_gpu"),
        ({"MODEL_URI": "/nowhere/model.gguf"}, "store", "model_not_found"),
        ({"MODEL_URI": str(Path(__file__))}, "header", "not_gguf"),
        ({"MODEL_URI": "ftp://host/model.gguf"}, "store", "unknown_scheme"),
        (
            {"MODEL_URI": "gs://b/m.gguf", "GOOGLE_APPLICATION_CREDENTIALS": "/none.json",
             "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"},
            "credentials",
            "Correct it",
        ),
    ],
)  # fmt: skip
def test_bad_finding_has_a_remedy(env: dict[str, str], about: str, remedy: str) -> None:
    status, found = run_doctor(**env)
    assert status == 1
    assert found[about]["grade"] == "bad"
    assert remedy in found[about]["remedy"]


def test_model_that_does_not_fit_is_bad(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    assert check_fit(Settings(), header, header.file_size).grade == "good"
    too_large = check_fit(Settings(), header, 1 << 50)
    assert isinstance(too_large, Finding)
    assert too_large.grade == "bad"
    assert "Use a smaller model" in too_large.remedy


def test_check_fit_depends_on_the_settings(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    found = {kind: check_fit(Settings(kv_type=kind), header, header.file_size).found for kind in ("f32", "q8_0")}
    assert found["f32"] != found["q8_0"]
