"""Whether a job can be carried out: asked before anybody waits for it."""

from function.engine.llama.sampler import check as check_sampling
from function.engine.llama.vocabulary import Vocabulary
from function.engine.types import Job
from function.errors import ContextExceeded, RequestError


def check(job: Job, vocabulary: Vocabulary, n_ctx: int) -> None:
    """Raise RequestError for a job that cannot be carried out in a context of ``n_ctx`` tokens.

    ContextExceeded for a prompt that leaves no room for a reply; tokens outside the vocabulary; sampling parameters out
    of range.
    """
    prompt = job.prompt
    if not prompt:
        raise RequestError("The prompt is empty.", param=job.param)
    if len(prompt) >= n_ctx:
        raise ContextExceeded(
            f"The prompt has {len(prompt)} tokens and the context holds {n_ctx}, the reply included. "
            "Shorten the conversation, or raise N_CTX.",
            param=job.param,
            tokens=len(prompt),
            n_ctx=n_ctx,
        )
    if job.max_tokens is not None and job.max_tokens < (1 if job.echo is None else 0):
        raise RequestError(f"max_tokens is {job.max_tokens}; it must be at least 1.", param="max_tokens")
    vocabulary.check(prompt, param=job.param)
    check_sampling(job.sampling, vocabulary.size)
