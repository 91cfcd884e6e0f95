"""The forward pass against transformers itself, over the options that its families have.

Random small models, scaled so that attention is peaked and a mistake shows. Skipped where torch and
transformers are not installed; `tests/reference/` holds some of the same, frozen.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from model_cases import CASES, Arrays, built

from attn_cli.checkpoints.architecture import architecture
from attn_cli.checkpoints.transformer import Run, Transformer

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("transformers")

NEAR = 1e-5  # in float32, whatever the layer and head
LENGTH = 33


def numpy_arrays(made: Any) -> Arrays:
    return Arrays({name: tensor.numpy() for name, tensor in made.state_dict().items()})


def largest(ours: np.ndarray, theirs: Any) -> float:
    other = theirs.detach().numpy()
    return float(np.abs(ours - other.reshape(ours.shape)).max())


def weights_of(run: Run) -> tuple[list[np.ndarray], list[np.ndarray]]:
    steps = list(run.layers())
    own = [step.own.weights for step in steps]
    return own, [step.cross.weights for step in steps if step.cross is not None]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dialect", ["saved", "given"])
@pytest.mark.parametrize(
    "kind, model, options", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_equals_transformers(kind: str, model: str, options: dict[str, Any], dialect: str) -> None:
    made, saved = built(kind, model, options, seed=7)
    # As transformers would save it, or as others write it by hand: only what differs.
    config = saved if dialect == "saved" else {"model_type": saved["model_type"], **options}
    arch, tensors = architecture(config), numpy_arrays(made)
    ids = torch.randint(3, 61, (1, LENGTH), generator=torch.Generator().manual_seed(3))
    rest: dict[str, Any] = {}
    if "types" in arch.names and arch.n_type > 1:
        rest["token_type_ids"] = (torch.arange(LENGTH)[None] >= 17).long()
    if arch.encoder is not None:
        rest["decoder_input_ids"] = torch.randint(3, 61, (1, 21))
    with torch.no_grad():
        theirs = made(
            ids, output_attentions=True, output_hidden_states=True, use_cache=False, **rest
        )
    encoded, own_ids, prefix = None, ids[0].numpy(), ""
    if arch.encoder is not None:
        encoder = Run(Transformer(arch.encoder, tensors), own_ids)
        for ours, their in zip(weights_of(encoder)[0], theirs.encoder_attentions, strict=True):
            assert largest(ours, their) < NEAR
        encoded = encoder.finish()
        assert largest(encoded, theirs.encoder_last_hidden_state) < 5 * NEAR
        own_ids, prefix = rest["decoder_input_ids"][0].numpy(), "decoder_"
    network = Transformer(arch, tensors)
    types = rest["token_type_ids"][0].numpy() if "token_type_ids" in rest else None
    run = Run(network, own_ids, types=types, encoded=encoded)
    own, cross = weights_of(run)
    attentions = getattr(theirs, f"{prefix}attentions")
    differences = [largest(a, b) for a, b in zip(own, attentions, strict=True)]
    if encoded is not None:
        differences += [largest(a, b) for a, b in zip(cross, theirs.cross_attentions, strict=True)]
    assert max(differences) < NEAR, differences
    hidden = run.finish()
    states = getattr(theirs, f"{prefix}hidden_states")
    last = getattr(theirs, "last_hidden_state", states[-1])
    if hidden.shape[-1] == last.shape[-1]:  # OPT's projection comes after the states that it shows
        assert largest(hidden, last) < 5 * NEAR
    assert largest(run.embedding, states[0]) < NEAR
    if "logits" in theirs and "head" in arch.names:
        assert largest(network.next_logits(hidden), theirs.logits) < 5 * NEAR
