"""Capacity: simulation of a platform that scales to zero, its waits and its costs. Pure.

```
traffic      arrivals by hour of the week, or recorded
lengths      tokens of prompts and replies
platforms    rules by which Cloud Run and Lambda start, keep and refuse
simulation   the event loop
quantiles    streaming percentiles
costs        instance time to dollars
recommend    cheapest settings that hold a target
```
"""
