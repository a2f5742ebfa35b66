"""Validation of a job, before it is queued."""

from function.engine.types import Job
from function.errors import ContextExceeded, RequestError


def validate_job(job: Job, *, n_ctx: int, n_vocab: int) -> None:
    """Raise RequestError for a job that cannot run: an empty prompt, sampling parameters out of range.

    Raises ContextExceeded for a prompt that leaves no room for a reply in ``n_ctx`` tokens.
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
    job.sampling.check(n_vocab)
