"""The forward pass against transformers itself, over the options that its families have.

Random small models, scaled so that attention is peaked and a mistake shows. Skipped where torch and
transformers are not installed; `tests/reference/` holds some of the same, frozen.
"""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from model_cases import CASES, Arrays, built, differences, reference

from attn_cli.checkpoints.families import FAMILIES
from attn_cli.checkpoints.settings import Setting

pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

NEAR = 1e-5  # in float32, whatever the layer and head; hidden states are up to 5 times larger
LENGTH = 33
# Settings that transformers works out when it makes a configuration, or has under another name.
WORKED_OUT = {"rotary_emb_base", "rotary_pct", "rope_theta", "rope_local_base_freq"}
WORKED_OUT |= {"sliding_window_pattern", "partial_rotary_factor", "decoder_start_token_id"}
WORKED_OUT |= {"n_embed", "scale_decoder_outputs", "original_max_position_embeddings"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dialect", ["saved", "given"])
@pytest.mark.parametrize("case", CASES)
def test_equals_transformers(case: str, dialect: str) -> None:
    made, saved = built(*CASES[case], seed=7)
    # As transformers would save it, or as others write it by hand: only what differs.
    given = {"model_type": saved["model_type"], **CASES[case][2]}
    tensors = Arrays({name: tensor.numpy() for name, tensor in made.state_dict().items()})
    found = differences(saved if dialect == "saved" else given, tensors, reference(made, LENGTH))
    for name, largest in found.items():
        near = NEAR if "weights" in name or name == "embedding" else 5 * NEAR
        assert largest < near, (name, found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_those_of_transformers(family: str) -> None:
    theirs = transformers.CONFIG_MAPPING[family]
    defaults = {f.name: f.default for f in dataclasses.fields(theirs)}
    checked = 0
    row = FAMILIES[family]
    for rows in (row, *([row.encoder] if row.encoder else [])):
        for setting in rows.settings.values():
            if not isinstance(setting, Setting):
                continue
            key = setting.keys.split()[0]
            if key in WORKED_OUT:
                continue
            if key == "num_decoder_layers":
                key = "num_layers"
            if key in defaults:  # others are read where a configuration has them all the same
                assert setting.default == defaults[key], key
                checked += 1
    assert checked >= 7


def test_a_mistake_shows() -> None:
    """The same comparison, with one tensor of one layer a little off."""
    made, saved = built(*CASES["llama"], seed=7)
    arrays = {name: tensor.numpy().copy() for name, tensor in made.state_dict().items()}
    arrays["model.layers.1.self_attn.q_proj.weight"] *= np.float32(1.0001)
    found = differences(saved, Arrays(arrays), reference(made, LENGTH))
    assert found["weights"] > 2 * NEAR
