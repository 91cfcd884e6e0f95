"""Where attention comes from: the lines that save it in each library, run, and shown by `attn`.

The lines are in `tests/origins/`, as the README shows them; each runs in a process of its own with
a small model made on the spot, and what `attn` reads is compared with what the library computed.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, environment, run

from attn_cli import load

ORIGINS = Path(__file__).parent / "origins"
WORDS = "the cat sat on the mat .".split()

# A tokenizer of whole words and a GPT-2 of two layers, with weights large enough to have patterns.
_GPT2 = f"""
import torch, numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

torch.manual_seed(0)
text = "{" ".join(WORDS)}"
ids = {{word: i for i, word in enumerate(dict.fromkeys(["<unk>", "<s>", *text.split()]))}}
core = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
names = dict(unk_token="<unk>", bos_token="<s>", eos_token="<s>", pad_token="<s>")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, **names)
config = GPT2Config(vocab_size=len(ids), n_layer=2, n_head=2, n_embd=8, n_positions=16,
    bos_token_id=1, eos_token_id=1, initializer_range=0.8, attn_implementation="eager")
model = GPT2LMHeadModel(config).eval()
"""
_VECTORS = f"""
import numpy as np
tokens = {WORDS}
random = np.random.default_rng(0)
"""
BEFORE = {
    "transformers": _GPT2,
    "transformer_lens": _GPT2
    + """
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer
model.save_pretrained("model")
tokenizer.save_pretrained("model")
model = TransformerBridge.boot_transformers(
    "model", hf_model=model, tokenizer=AutoTokenizer.from_pretrained("model"))
""",
    "jax": _VECTORS
    + """
import jax, jax.numpy as jnp
query, key = (jnp.asarray(random.normal(size=(7, 3, 4)), jnp.float32) for _ in range(2))
""",
    "numpy": _VECTORS
    + """
n_layer, n_head, d_head = 2, 3, 4
query, key = random.normal(size=(2, n_layer, n_head, 7, d_head))
weights = np.zeros((n_layer, n_head, 7, 7))
""",
}
# What the library itself holds, as (layers, heads, queries, keys).
AFTER = {
    "transformers": "np.stack([layer.detach().numpy()[0] for layer in attentions])",
    "transformer_lens": "np.stack([cache[f'blocks.{i}.attn.hook_pattern'].detach().numpy()[0] "
    "for i in range(2)])",
    "jax": "np.asarray(weights)[None]",
    "numpy": "weights",
}


@pytest.mark.parametrize("library", BEFORE)
def test_the_lines_that_save_it_are_shown(library: str, tmp_path: Path) -> None:
    needed = (library, "transformers", "torch") if "transformer" in library else (library,)
    for name in needed:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    lines = (ORIGINS / f"{library}.py").read_text("utf-8")
    program = f"{BEFORE[library]}\n{lines}\nnp.save('expected.npy', {AFTER[library]})\n"
    offline = {"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(**offline),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    shown = run("show", "attentions.npz", "--show", "weights", cwd=tmp_path)
    assert shown.code == 0 and "doubt" not in shown.err, shown.err
    expected = np.load(tmp_path / "expected.npy").astype(np.float32)
    assert f"{expected[0, 0, 2, 0]:.4f}" in shown.text
    inspection = load(tmp_path / "attentions.npz")
    weights = np.stack([layer.weights for layer in inspection.layers])
    assert np.array_equal(weights, expected)
    assert inspection.kind == ("causal" if "transformer" in library else "self")
    tokens = [token.text for token in inspection.query_tokens]
    assert tokens in (WORDS, ["<s>", *WORDS])


def test_the_readme_shows_those_lines_and_no_others() -> None:
    """A block that begins with ```py is one of the files; `attn show` follows in a console."""
    text = (ROOT / "README.md").read_text("utf-8")
    known = {path.read_text("utf-8") for path in ORIGINS.iterdir() if path.suffix == ".py"}
    assert len(known) == len(BEFORE)
    for block in re.findall(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        assert block in known
