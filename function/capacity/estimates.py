"""Speeds of an instance size, estimated from a model's size or scaled from a measurement."""

from dataclasses import replace

from function.capacity.simulation import Speeds

PREFILL_PARAMETERS_PER_VCPU = 40e9  # parameters times tokens a second; bench/README.md, 0.5B and 7B on 2 vCPUs
DECODE_BYTES_PER_VCPU = 6e9  # bytes of weights read a second; the same benches
DECODE_EXPONENT = 0.7  # decoding is bound by memory, so it gains less than the vCPUs grow


def estimate_speeds(parameters: float, model_bytes: float, cpus: float, cold_start_seconds: float) -> Speeds:
    """Return rough speeds for a model that nobody has measured: within a factor of two."""
    two = Speeds(
        cold_start_seconds, 2 * PREFILL_PARAMETERS_PER_VCPU / parameters, 2 * DECODE_BYTES_PER_VCPU / model_bytes
    )
    return scale_speeds(two, 2, cpus)


def scale_speeds(measured: Speeds, measured_cpus: float, cpus: float) -> Speeds:
    """Return ``measured`` for another number of vCPUs: prefill in proportion, decode by its power of 0.7."""
    ratio = cpus / measured_cpus
    return replace(
        measured,
        prefill_per_second=measured.prefill_per_second * ratio,
        decode_per_second=measured.decode_per_second * ratio**DECODE_EXPONENT,
    )
