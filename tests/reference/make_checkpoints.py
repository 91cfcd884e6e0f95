"""Make the small checkpoints beside this file, with the attention that transformers computes.

    python tests/reference/make_checkpoints.py

Weights are rounded to half precision before anything is computed from them, as a checkpoint's are.
Made with torch 2.13.0 and transformers 5.23.0; the tests need neither.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from model_cases import CASES, built, reference  # noqa: E402

LENGTH = 24
FROZEN = """
bert bert-decoder roberta-padding distilbert albert-inner electra mpnet gpt2 gpt2-inverse-layer
gpt2-untied opt opt-norm-after bloom-12-heads gpt-neox gpt-neox-sequential llama llama-biases
llama-linear llama-dynamic llama3 llama-yarn llama-longrope mistral-window qwen2-window
qwen3-window gemma2 gemma3 gemma3-pattern phi3 phi3-long olmo2 t5 t5-gated bart bart-scaled
""".split()


def make(case: str, dtype: torch.dtype) -> None:
    made, saved = built(*CASES[case], seed=11)
    with torch.no_grad():
        for tensor in made.parameters():
            tensor.copy_(tensor.to(dtype).float())
    folder = HERE / case
    folder.mkdir(exist_ok=True)
    config = {"model_type": saved["model_type"], **CASES[case][2]}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors, seen = {}, set()
    for name, tensor in made.state_dict().items():
        if tensor.data_ptr() not in seen:  # tied tensors are stored once
            seen.add(tensor.data_ptr())
            tensors[name] = tensor.to(dtype).contiguous()
    save_file(tensors, folder / "model.safetensors")
    expected = reference(made, LENGTH)
    expected["logits"] = expected["logits"][-2:] if "logits" in expected else np.empty((0, 0))
    np.savez_compressed(folder / "expected.npz", **{k: a for k, a in expected.items() if a.size})


if __name__ == "__main__":
    for number, case in enumerate(FROZEN):
        make(case, torch.float16 if number % 2 else torch.bfloat16)
        print(case)
