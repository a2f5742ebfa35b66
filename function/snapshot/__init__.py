"""Snapshots: the state of the engine after the system prompt, stored beside the model for every instance to restore.

```
file_format  the stored file: binding, state, and a hash over both
binding      everything that the state depends on
prefix       the tokens that every conversation starts with
store        the snapshot's URI, and writing to it
uploader     program that stores a file in a bucket
manager      fetch, verify and restore a snapshot; store one if none is valid
```
"""
