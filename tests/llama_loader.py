"""Load each file named on standard input with llama.cpp, in separate processes, and print the outcomes.

One line per file: ``ok``, ``refused`` or ``signal N``. Run with ``python -m tests.llama_loader``.
"""

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as c

from function.gguf import read_header
from function.gguf.kinds import POOLINGS

MAX_CPU_SECONDS = 20  # then a file counts as hanging: ``signal 24``
TEXT = "Hello wörld, 日本 🎉!\n<|im_start|>".encode()


def use(path: str) -> bool:
    """Load, tokenize, decode and detokenize; return false if llama.cpp rejects the file with an error."""
    vocabulary_only = c.llama_model_default_params()
    vocabulary_only.vocab_only = True
    only = c.llama_model_load_from_file(path.encode(), vocabulary_only)
    if only:
        c.llama_model_free(only)
    model = c.llama_model_load_from_file(path.encode(), c.llama_model_default_params())
    if not model:
        return False
    vocabulary = c.llama_model_get_vocab(model)
    params = c.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch, params.n_threads = 128, 64, 32, 1
    header = read_header(Path(path))
    if header.pooling is not None:
        params.embeddings, params.n_ubatch = True, 64
        params.pooling_type = next(number for number, name in POOLINGS.items() if name == header.pooling)
    context = c.llama_init_from_model(model, params)
    if not context:
        return False
    tokens = (c.llama_token * 128)()
    n = c.llama_tokenize(vocabulary, TEXT, len(TEXT), tokens, 128, header.pooling is None, True)
    if n > 0 and c.llama_decode(context, c.llama_batch_get_one(tokens, min(n, 64))) != 0:
        return False
    if header.pooling is None:
        _sample(context, n)
    buffer = ctypes.create_string_buffer(256)
    for token in range(c.llama_vocab_n_tokens(vocabulary)):
        c.llama_token_to_piece(vocabulary, token, buffer, 256, 0, True)
    return header.pooling is None or bool(n <= 0 or c.llama_get_embeddings_seq(context, 0))


def _sample(context: Any, tokens: int) -> None:
    """Sample a token after ``tokens``, if any."""
    chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
    c.llama_sampler_chain_add(chain, c.llama_sampler_init_top_k(40))
    c.llama_sampler_chain_add(chain, c.llama_sampler_init_dist(1))
    if tokens > 0:
        c.llama_sampler_sample(chain, context, -1)


def main() -> None:
    os.environ["GGML_NO_BACKTRACE"] = "1"  # an abort would run a debugger
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 1))
            os._exit(0 if use(line.strip()) else 1)
        _, status = os.waitpid(child, 0)
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else ("refused", "ok")[not status]
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
