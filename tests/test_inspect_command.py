"""``python -m function inspect``."""

import json
from pathlib import Path

from function.command.inspect import _format
from tests.command_line import function
from tests.servers.stores import Store


def test_summary_shows_the_model_and_its_metadata(real_model: Path) -> None:
    text = function("inspect", real_model).stdout
    assert text.startswith("Smollm2 135M 8k Lc100K Mix1 Ep2: llama, 135 M parameters, Q4_1, 98 MB\n")
    assert "general.license" in text
    assert "(49,152 values)" in text


def test_tensors_are_listed_with_their_offsets(tiny_model: Path) -> None:
    report = json.loads(function("inspect", tiny_model, "--json").stdout)
    listed = function("inspect", tiny_model, "--tensors").stdout.splitlines()
    assert len(report["tensors"]) == len(listed)
    last = max(report["tensors"], key=lambda tensor: tensor["offset"])
    assert last["offset"] + last["bytes"] <= tiny_model.stat().st_size
    assert f"at byte {report['tensors'][0]['offset']:,}" in listed[0]


def test_template_is_printed_alone(tiny_model: Path) -> None:
    report = json.loads(function("inspect", tiny_model, "--json").stdout)
    assert function("inspect", tiny_model, "--template").stdout == report["chat_template"]


def test_object_in_a_bucket_is_inspected(s3: Store, tiny_model: Path) -> None:
    s3.put("inspected.gguf", tiny_model.read_bytes())
    outcome = function("inspect", f"{s3.scheme}://models/inspected.gguf", "--json", env=s3.env)
    assert json.loads(outcome.stdout)["metadata"]["general.name"] == "tiny random", outcome.stderr


def test_file_that_is_no_model_is_an_error_message() -> None:
    outcome = function("inspect", __file__)
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr


def test_metadata_is_printed_without_control_characters() -> None:
    assert _format("a\x1b[2Jb\nc") == "a [2Jb c"
