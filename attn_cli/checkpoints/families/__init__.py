"""Families: the table of the model families that are known, one declarative row each.

Nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attn_cli.checkpoints.families.decoders import (
    BLOOM,
    GPT2,
    OPT,
    OPT_NO_FINAL_NORM,
    OPT_NORM_AFTER,
)
from attn_cli.checkpoints.families.encoder_decoders import BART, T5, T5_GATED
from attn_cli.checkpoints.families.encoders import (
    ALBERT,
    BERT,
    DISTILBERT,
    ELECTRA,
    MPNET,
    ROBERTA,
    XLM_ROBERTA,
)
from attn_cli.checkpoints.families.family import Family
from attn_cli.checkpoints.families.rotary_decoders import (
    GEMMA,
    GEMMA2,
    GEMMA3,
    GPT_NEOX,
    LLAMA,
    MISTRAL,
    OLMO2,
    PHI3,
    QWEN2,
    QWEN3,
)
from attn_cli.checkpoints.settings import boolean, shown
from attn_cli.errors import DataError

FAMILIES: Mapping[str, Family] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
    "distilbert": DISTILBERT,
    "albert": ALBERT,
    "electra": ELECTRA,
    "mpnet": MPNET,
    "gpt2": GPT2,
    "gpt_neox": GPT_NEOX,
    "opt": OPT,
    "bloom": BLOOM,
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "phi3": PHI3,
    "olmo2": OLMO2,
    "gemma": GEMMA,
    "gemma2": GEMMA2,
    "gemma3_text": GEMMA3,
    "t5": T5,
    "bart": BART,
}


def find_family(config: Mapping[str, Any]) -> tuple[Family, Mapping[str, Any]]:
    """The row of a parsed config.json, and the part of it that the row reads.

    Raises:
        DataError: it names no family, or one that is not known.
    """
    name = config.get("model_type")
    if name == "gemma3" and isinstance(config.get("text_config"), Mapping):
        config, name = config["text_config"], "gemma3_text"
    if not isinstance(name, str) or name not in FAMILIES:
        what = "names no `model_type`" if name is None else f"has the model_type {shown(name)}"
        raise DataError(
            f"config.json {what}, which is not supported" if name else f"config.json {what}",
            f"These are: {', '.join(FAMILIES)}.",
        )
    family = FAMILIES[name]
    if family is OPT and not boolean(
        config.get("do_layer_norm_before", True), "do_layer_norm_before"
    ):
        family = OPT_NORM_AFTER
    elif family is OPT and boolean(
        config.get("_remove_final_layer_norm", False), "_remove_final_layer_norm"
    ):
        family = OPT_NO_FINAL_NORM
    elif family is T5 and str(config.get("feed_forward_proj")).startswith(T5.gate):
        family = T5_GATED
    return family, config
