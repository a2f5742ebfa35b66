"""``python -m function doctor``: what is wrong is found, and what to do is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from function.command.doctor_checks import Finding, fits
from function.gguf import read_header
from function.settings import DEMO_MODEL, Settings
from tests.command_line import function
from tests.servers.stores import Store


def findings(*arguments: str | Path, **env: str) -> tuple[int, dict[str, Any]]:
    """Exit status, and findings by what they are about."""
    outcome = function("doctor", *arguments, "--json", env=env)
    return outcome.returncode, {each["about"]: each for each in json.loads(outcome.stdout)["findings"]}


def test_a_healthy_machine_is_healthy() -> None:
    outcome = function("doctor")
    assert outcome.returncode == 0, outcome.stdout
    for about in ("llama.cpp", "CPU", "threads", "memory", "store", "header", "fits"):
        assert f"  {about} " in outcome.stdout
    assert "BAD" not in outcome.stdout


def test_a_model_in_a_bucket_is_reached_read_and_fitted(s3: Store, tmp_path: Path) -> None:
    uri = s3.put("doctor.gguf", DEMO_MODEL.read_bytes())
    status, found = findings(uri, **s3.env, MODEL_CACHE_DIR=str(tmp_path))
    assert status == 0, found
    assert found["cache"]["found"].startswith(str(tmp_path))
    assert found["credentials"]["grade"] == "good"
    assert "Demo" in found["header"]["found"]


def test_memory_as_the_cache_needs_no_directory(s3: Store) -> None:
    uri = s3.put("doctor.gguf", DEMO_MODEL.read_bytes())
    status, found = findings(uri, **s3.env, MODEL_CACHE="memory", MODEL_CACHE_DIR="/proc/nowhere")
    assert status == 0, found
    assert found["cache"]["found"].startswith("memory")


@pytest.mark.parametrize(
    ("env", "about", "said"),
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
def test_what_is_wrong_comes_with_its_remedy(env: dict[str, str], about: str, said: str) -> None:
    status, found = findings(**env)
    assert status == 1
    assert found[about]["grade"] == "bad"
    assert said in found[about]["remedy"]


def test_a_context_too_large_for_the_memory_is_said_with_one_that_fits() -> None:
    header = read_header(DEMO_MODEL)
    assert fits(Settings(), header, header.file_size).grade == "good"
    too_large = fits(Settings(), header, 1 << 50)
    assert isinstance(too_large, Finding)
    assert too_large.grade == "bad"
    assert "Take a model that is smaller" in too_large.remedy


def test_what_fits_depends_on_the_settings() -> None:
    header = read_header(DEMO_MODEL)
    found = {kind: fits(Settings(kv_type=kind), header, header.file_size).found for kind in ("f32", "q8_0")}
    assert found["f32"] != found["q8_0"]
