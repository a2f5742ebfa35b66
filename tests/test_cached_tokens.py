"""Cached tokens: how many a prompt can reuse, and when that is exact bit for bit."""

from function.engine.kv.cached_tokens import CachedTokens

CHUNK = 4


def filled(prompt: list[int], *singles: int) -> CachedTokens:
    """Return a cache after a prefill of ``prompt`` and a decode of ``singles``."""
    cache = CachedTokens(CHUNK)
    prefill(cache, prompt)
    for token in singles:
        cache.add((token,))
    return cache


def prefill(cache: CachedTokens, prompt: list[int]) -> list[int]:
    """Compute the missing tokens; return the sizes of the steps."""
    sizes = []
    while len(cache) < len(prompt):
        step = cache.next_chunk(prompt)
        cache.add(step)
        sizes.append(len(step))
    return sizes


def test_prefill_chunks_begin_at_multiples() -> None:
    assert prefill(CachedTokens(CHUNK), list(range(10))) == [4, 4, 2]
    cache = filled([1, 2, 3])
    assert prefill(cache, [1, 2, 3, 4, 5, 6, 7, 8, 9]) == [1, 4, 1]


def test_matching_tokens_are_reused_except_the_last() -> None:
    cache = filled([1, 2, 3, 4, 5], 6, 7)
    assert cache.count_reusable([1, 2, 3, 4, 5, 6, 7, 8], exact=False) == 7
    assert cache.count_reusable([1, 2, 3, 4, 5, 6, 7], exact=False) == 6
    assert cache.count_reusable([1, 2, 9, 4], exact=False) == 2
    assert cache.count_reusable([9], exact=False) == 0


def test_exact_reuse_takes_whole_prefilled_chunks() -> None:
    cache = filled(list(range(10)), 10, 11, 12, 13)
    assert cache.count_reusable(list(range(20)), exact=True) == 8
    assert cache.count_reusable(list(range(8)), exact=True) == 4, "the last token's chunk is computed again"
    assert cache.count_reusable([0, 1, 2, 3, 4, 99, 98], exact=True) == 4


def test_tokens_computed_in_other_steps_are_not_exact() -> None:
    cache = filled([1, 2], 3, 4)
    prefill(cache, list(range(1, 13)))
    assert cache.tokens == list(range(1, 13))
    assert cache.count_reusable(list(range(1, 13)), exact=True) == 0


def test_truncation_drops_the_chunk_it_cuts() -> None:
    cache = filled(list(range(12)))
    cache.truncate(6)
    assert len(cache) == 6
    assert cache.count_reusable(list(range(12)), exact=True) == 4
    prefill(cache, list(range(12)))
    assert cache.count_reusable(list(range(12)), exact=True) == 4, "the second chunk was computed in two steps"
    cache.truncate(4)
    prefill(cache, list(range(12)))
    assert cache.count_reusable([*range(12), 12], exact=True) == 12
