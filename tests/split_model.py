"""Splits a GGUF over several files, as llama.cpp's own tool does."""

from pathlib import Path

import gguf


def split(model: Path, folder: Path, tensors: int) -> list[Path]:
    """Write ``model`` again as parts of at most ``tensors`` tensors each; their paths in order."""
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(folder / "part.gguf", "llama", split_max_tensors=tensors)
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_shape=tensor.data.shape, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(folder.glob("part-*.gguf"))
