"""Generation: a text continued one token at a time, the likeliest each time.

It keeps the keys and values of what came before; it draws nothing at random and knows no words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attn_cli.checkpoints.transformer import ARRAYS, Cache, Edit, Run, Step, Transformer
from attn_cli.errors import DataError

if TYPE_CHECKING:
    from attn_cli.types import Floats, Integers


class Generated(NamedTuple):
    """One new token, and the attention that it came from."""

    token_id: int
    logits: Floats  # (n_vocab,) what each token had, to be the next
    steps: tuple[Step, ...]  # a layer each; the last query is the one that looked for this token


def generate(
    model: Transformer,
    token_ids: Integers,
    n_new: int,
    *,
    encoded: Floats | None = None,
    keep: Collection[str] = ARRAYS,
    edit: Edit | None = None,
) -> Iterator[Generated]:
    """Up to n_new tokens, each the likeliest after those before; it stops after an end token.

    The first step runs the whole text: its layers have a row for each token. Later steps run the
    newest token alone: their layers have its row, over all keys. (Where a rotary code depends on
    the length of the text and changes, a step runs everything again.)

    Args:
        model: a decoder.
        token_ids: (n,) the text so far.
        encoded: (m, d_model) what the encoder made of its own text, if there is one.
        keep, edit: as in `Run`.

    Raises:
        DataError: as `Run` and `Transformer.next_logits`, or the model looks both ways.
    """
    arch = model.architecture
    if arch.kind != "causal":
        raise DataError("the model looks both ways: it does not predict a next token")
    everything, ids, cache = list(map(int, token_ids)), token_ids, Cache()
    for _ in range(n_new):
        run = Run(model, ids, encoded=encoded, cache=cache, edit=edit)
        steps = tuple(run.layers(keep=keep))
        logits = model.next_logits(run.finish()[-1:])[0]
        token = int(np.argmax(logits))
        yield Generated(token, logits, steps)
        if token in arch.end_tokens:
            return
        everything.append(token)
        ids = np.array([token], dtype=np.int64)
        if arch.follows_length(cache.n, cache.n + 1):
            ids, cache = np.array(everything, dtype=np.int64), Cache()
