# mypy: implicit-reexport
# ruff: noqa: F401
"""A GGUF file to tokens, with llama.cpp. Independent of HTTP, of buckets, and of where the file came from.

```
engine      Engine: the model's one thread, its queue of jobs, and all that needs only the vocabulary
loop        one job from prompt to its last event
embedding   the same for embedding models and rerankers: texts to vectors and scores
types       values in and out: LoadOptions, Job, events
llama/      bindings to llama.cpp: model, vocabulary, sampler, CPU variants, placeholder files
kv/         tokens in the context, and earlier conversations to restore
template/   chat templates
grammar/    structured output
```

Other packages import from here alone. Each name loads its module at its first use, so that an import of one name does
not pay for the others: a request's schema needs ``Sampling``, not llama.cpp.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from function.engine.embedding import EmbeddingEngine, EmbeddingJob
    from function.engine.engine import Engine
    from function.engine.generation import Generation
    from function.engine.grammar.closing import close_objects
    from function.engine.grammar.gbnf import gbnf_grammar
    from function.engine.grammar.grammar import Grammar, embed_schema, json_grammar
    from function.engine.grammar.probe import probe_grammar
    from function.engine.grammar.relax import relax_schema
    from function.engine.kv.context import KVContext
    from function.engine.llama.cpu import choose_cpu_variant, use_cpu_variant
    from function.engine.llama.cpu_variants import CPUVariants
    from function.engine.llama.gpu import list_gpus, require_gpu
    from function.engine.llama.library import find_libraries, has_amx, has_openmp, read_system_info, use_libraries
    from function.engine.llama.placeholder_file import HeaderMismatch, PlaceholderFile
    from function.engine.llama.sampling import Sampling
    from function.engine.llama.state_layout import SavedState, StateLayout
    from function.engine.llama.streamed_repack import can_stream_repack
    from function.engine.model_kind import describe_kind, require_kind
    from function.engine.template.renderer import renderer
    from function.engine.template.template import RESERVED_VARIABLES, THINKING_VARIABLE
    from function.engine.types import (
        EmbeddedInput,
        Event,
        Finished,
        FinishReason,
        Job,
        LoadOptions,
        Logprob,
        PrefillProgress,
        TextPiece,
        Timings,
        TokenChoice,
        TokenWatch,
        Usage,
    )

_EXPORTS = {
    "embedding": "EmbeddingEngine EmbeddingJob",
    "engine": "Engine",
    "generation": "Generation",
    "grammar.closing": "close_objects",
    "grammar.gbnf": "gbnf_grammar",
    "grammar.grammar": "Grammar embed_schema json_grammar",
    "grammar.probe": "probe_grammar",
    "grammar.relax": "relax_schema",
    "kv.context": "KVContext",
    "llama.cpu": "choose_cpu_variant use_cpu_variant",
    "llama.cpu_variants": "CPUVariants",
    "llama.gpu": "list_gpus require_gpu",
    "llama.library": "find_libraries has_amx has_openmp read_system_info use_libraries",
    "llama.placeholder_file": "HeaderMismatch PlaceholderFile",
    "llama.sampling": "Sampling",
    "llama.state_layout": "SavedState StateLayout",
    "llama.streamed_repack": "can_stream_repack",
    "template.renderer": "renderer",
    "model_kind": "describe_kind require_kind",
    "template.template": "RESERVED_VARIABLES THINKING_VARIABLE",
    "types": (
        "EmbeddedInput Event Finished FinishReason Job LoadOptions Logprob PrefillProgress TokenWatch TextPiece "
        "Timings TokenChoice Usage"
    ),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import an exported name at its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value
