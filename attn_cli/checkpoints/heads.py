"""Heads: the attention of many heads, some at a time, on the cores that there are.

The formula is `attention.attend`'s; what is not kept is gone with its block.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from attn_cli.attention import Attention, attend
from attn_cli.checkpoints.parts import quiet
from attn_cli.threads import each

if TYPE_CHECKING:
    from attn_cli.types import Booleans, Floats

_BLOCK = 1 << 17  # weights that are computed at a time: half a megabyte, which a core's cache holds


def attend_heads(
    query: Floats,
    key: Floats,
    value: Floats,
    *,
    keep: Collection[str],
    scale: float,
    softcap: float | None = None,
    bias: Floats | None = None,
    allowed: Booleans | None = None,
) -> dict[str, Floats]:
    """What `attend` computes of the same arguments: the context, and the kept fields.

    The blocks do not depend on the number of cores, so the last bits do not either.
    """
    (n_head, n_query, _), (n_kv_head, n_key, d_value) = query.shape, value.shape
    group = n_head // n_kv_head
    names = [name for name in Attention._fields if name in keep or name == "context"]
    n_block = max(1, _BLOCK // (group * n_query * n_key))  # key/value heads at a time
    if n_block >= n_kv_head:
        whole = attend(query, key, value, scale=scale, softcap=softcap, bias=bias, allowed=allowed)
        return {name: getattr(whole, name) for name in names}
    shapes = dict.fromkeys(names, (n_head, n_query, n_key)) | {"lse": (n_head, n_query)}
    found = {name: np.empty(shapes[name], np.float32) for name in names if name != "context"}
    # With its heads side by side in memory, a token's context is projected without a copy.
    found["context"] = np.empty((n_query, n_head, d_value), np.float32).transpose(1, 0, 2)

    def work(first: int) -> None:
        heads = slice(first * group, (first + n_block) * group)
        with quiet():
            part = attend(
                query[heads],
                key[first : first + n_block],
                value[first : first + n_block],
                scale=scale,
                softcap=softcap,
                bias=None if bias is None else bias[heads],
                allowed=allowed,
            )
        for name in names:
            found[name][heads] = getattr(part, name)

    each(work, range(0, n_kv_head, n_block))
    return found
