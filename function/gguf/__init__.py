"""A GGUF's header → what the model is and how much memory it needs. Pure: bytes in, values out.

```
types       the format's tables
reader      what is stored: counts, lengths, extents
fields      typed looks into the metadata
vocabulary  the tokens' checks
header      Header: the gate before llama.cpp
adapter     the same gate for LoRA adapters
memory      how much memory a header's model needs
```
"""

from function.gguf.adapter import check_adapter
from function.gguf.header import Header, check_part, parse_header, read_header
from function.gguf.memory import DEFAULT_CONTEXT, Fit, KVType, fit, largest_context, prefix_cache
from function.gguf.reader import Incomplete

__all__ = [
    "DEFAULT_CONTEXT",
    "Fit",
    "Header",
    "Incomplete",
    "KVType",
    "check_adapter",
    "check_part",
    "fit",
    "largest_context",
    "parse_header",
    "prefix_cache",
    "read_header",
]
