"""``python -m function inspect``."""

import json

from function.command.inspect import _format
from function.settings import DEMO_MODEL
from tests.command_line import function
from tests.servers.stores import Store


def test_summary_shows_the_model_and_its_metadata() -> None:
    text = function("inspect", str(DEMO_MODEL)).stdout
    assert text.startswith("Demo: llama, 2 M parameters, Q8_0, 2 MB\n")
    assert "general.license" in text
    assert "(1,536 values)" in text


def test_tensors_are_listed_with_their_offsets() -> None:
    report = json.loads(function("inspect", str(DEMO_MODEL), "--json").stdout)
    listed = function("inspect", str(DEMO_MODEL), "--tensors").stdout.splitlines()
    assert len(report["tensors"]) == len(listed)
    last = max(report["tensors"], key=lambda tensor: tensor["offset"])
    assert last["offset"] + last["bytes"] <= DEMO_MODEL.stat().st_size
    assert f"at byte {report['tensors'][0]['offset']:,}" in listed[0]


def test_template_is_printed_alone() -> None:
    report = json.loads(function("inspect", str(DEMO_MODEL), "--json").stdout)
    assert function("inspect", str(DEMO_MODEL), "--template").stdout == report["chat_template"]


def test_object_in_a_bucket_is_inspected(s3: Store) -> None:
    s3.put("inspected.gguf", DEMO_MODEL.read_bytes())
    outcome = function("inspect", f"{s3.scheme}://models/inspected.gguf", "--json", env=s3.env)
    assert json.loads(outcome.stdout)["metadata"]["general.name"] == "Demo", outcome.stderr


def test_file_that_is_no_model_is_an_error_message() -> None:
    outcome = function("inspect", __file__)
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr


def test_metadata_is_printed_without_control_characters() -> None:
    assert _format("a\x1b[2Jb\nc") == "a [2Jb c"
