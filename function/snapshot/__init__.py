"""The system prompt, already read: the state after it, kept beside the model for every instance to begin with.

```
file       the form it is stored in: what it is bound to, the state, a hash over all
binding    everything that makes it valid
prefix     the tokens with which every conversation begins
store      where it is, and putting it there
instance   what an instance does with it: fetch, check, restore; store one where none fits
```
"""
