"""``python -m function inspect``."""

import json

from function.command.inspect import _shown
from function.settings import DEMO_MODEL
from tests.command_line import function
from tests.servers.stores import Store


def test_the_summary_names_the_model_and_what_is_in_the_file() -> None:
    text = function("inspect", str(DEMO_MODEL)).stdout
    assert text.startswith("Demo: llama, 2 M parameters, Q8_0, 2 MB\n")
    assert "general.license" in text
    assert "(1,536 values)" in text


def test_every_tensor_is_listed_where_it_lies() -> None:
    told = json.loads(function("inspect", str(DEMO_MODEL), "--json").stdout)
    listed = function("inspect", str(DEMO_MODEL), "--tensors").stdout.splitlines()
    assert len(told["tensors"]) == len(listed)
    last = max(told["tensors"], key=lambda tensor: tensor["offset"])
    assert last["offset"] + last["bytes"] <= DEMO_MODEL.stat().st_size
    assert f"at byte {told['tensors'][0]['offset']:,}" in listed[0]


def test_the_template_comes_alone_as_it_is() -> None:
    told = json.loads(function("inspect", str(DEMO_MODEL), "--json").stdout)
    assert function("inspect", str(DEMO_MODEL), "--template").stdout == told["chat_template"]


def test_an_object_in_a_bucket_is_inspected_without_being_fetched(s3: Store) -> None:
    s3.put("inspected.gguf", DEMO_MODEL.read_bytes())
    outcome = function("inspect", f"{s3.scheme}://models/inspected.gguf", "--json", env=s3.env)
    assert json.loads(outcome.stdout)["metadata"]["general.name"] == "Demo", outcome.stderr


def test_what_is_no_model_is_one_sentence() -> None:
    outcome = function("inspect", __file__)
    assert outcome.returncode == 1
    assert "Traceback" not in outcome.stderr


def test_a_hostile_text_cannot_command_the_terminal() -> None:
    assert _shown("a\x1b[2Jb\nc") == "a [2Jb c"
