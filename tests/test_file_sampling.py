"""Sampling defaults of a model's file."""

from function.engine import Sampling
from function.engine.file_sampling import read_sampling

N_VOCAB = 100


def read(**values: str) -> Sampling:
    return read_sampling({f"general.sampling.{key}": value for key, value in values.items()}.get, N_VOCAB)


def test_file_without_defaults_has_those_of_llama_cpp() -> None:
    assert read() == Sampling()


def test_defaults_of_the_file_are_read_under_its_names() -> None:
    assert read(temp="0.6", top_k="20", penalty_repeat="1.05", penalty_last_n="128") == Sampling(
        temperature=0.6, top_k=20, repeat_penalty=1.05, repeat_last_n=128
    )


def test_invalid_defaults_are_ignored() -> None:
    assert read(temp="warm", top_p="7", min_p="nan", top_k="20") == Sampling(top_k=20)
