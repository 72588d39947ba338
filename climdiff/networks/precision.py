"""Where a network computes on the machine at hand, and in which number format."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def device() -> torch.device:
    """Return the first CUDA GPU where PyTorch finds one (CUDA_VISIBLE_DEVICES chooses), else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype of convolutions and matrix products; weights and sampler state stay float32.

    `auto` takes bfloat16 where the hardware multiplies it natively (any CUDA GPU since Ampere, CPUs with AVX-512 BF16
    or AMX) and float32 elsewhere, where emulation would make it slower.
    """
    if precision != "auto":
        return getattr(torch, precision)
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known: dict[str, bool] = getattr(
            torch.cpu, "get_capabilities", dict
        )()  # torch 2.10 does not tell: float32 is always right
        native = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def autocast(dtype: torch.dtype, device: torch.device) -> torch.autocast:
    """Return the context in which a network runs in `dtype`; does nothing for float32."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
