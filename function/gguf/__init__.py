"""A GGUF's header → a description of the model and its need of memory. Bytes in, values out.

```
types       the format's tables
string_array  a vocabulary's texts, where they are
reader      the stored header: counts, lengths, extents
fields      typed access to the metadata
vocabulary  checks of the tokens
architectures  checks of single architectures
kinds       chat models, embedding models, rerankers
header      Header: the gate before llama.cpp
adapter     the same gate for LoRA adapters
memory      the model's need of memory
```
"""

from function.gguf.adapter import check_adapter
from function.gguf.header import Header, check_part, parse_header, read_header
from function.gguf.kinds import Kind, Pooling, kind_of
from function.gguf.memory import DEFAULT_CONTEXT, Fit, KVType, fit, largest_context, prefix_cache
from function.gguf.reader import Incomplete

__all__ = [
    "DEFAULT_CONTEXT",
    "Fit",
    "Header",
    "Incomplete",
    "KVType",
    "Kind",
    "Pooling",
    "check_adapter",
    "check_part",
    "fit",
    "kind_of",
    "largest_context",
    "parse_header",
    "prefix_cache",
    "read_header",
]
