"""Commands of ``python -m function``, one module each: ``configure(parser)`` and ``run(args) -> exit status``."""
