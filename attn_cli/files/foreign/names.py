"""Names: which arrays of a file belong together, layer by layer, and what their name says they are.

No number is looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from attn_cli.errors import DataError

Role = Literal["weights", "logits", "query", "key", "value", "ids", "parameter", ""]
Stack = Literal["", "encoder", "decoder", "cross"]

# The last word of a name, its number taken out. Those of `_PLAIN` say nothing but "an array".
_PLAIN = frozenset(("", "arr", "array", "layer", "layers", "block", "blocks"))
_ROLES: dict[str, Role] = {
    **dict.fromkeys(("weights", "attentions", "attention", "attn", "attns", "att"), "weights"),
    **dict.fromkeys(("pattern", "patterns", "probs", "probabilities"), "weights"),
    **dict.fromkeys(("logits", "scores", "score"), "logits"),
    **dict.fromkeys(("query", "queries", "q"), "query"),
    **dict.fromkeys(("key", "keys", "k"), "key"),
    **dict.fromkeys(("value", "values", "v"), "value"),
    **dict.fromkeys(("ids", "tokens", "token"), "ids"),
    **dict.fromkeys(("weight", "bias", "gamma", "beta"), "parameter"),
}
_STACKS: tuple[tuple[Stack, tuple[str, ...]], ...] = (
    ("cross", ("cross", "encdec", "xattn")),
    ("decoder", ("decoder", "dec")),
    ("encoder", ("encoder", "enc")),
)


class Group(NamedTuple):
    """One array, or one array a layer, under names that differ in a number alone."""

    template: str  # with `{}` for the number
    members: tuple[tuple[int | None, str], ...]  # layer number and name, in order of the layers
    role: Role
    stack: Stack

    @property
    def is_plain(self) -> bool:
        """Whether the name says nothing of what is in it."""
        return (words(self.template) or [""])[-1] in _PLAIN

    @property
    def is_numbered(self) -> bool:
        """Whether each member is one layer; a lone `arr_0` may be anything."""
        return self.members[0][0] is not None and (len(self.members) > 1 or not self.is_plain)

    @property
    def shown(self) -> str:
        """The names, for a message."""
        first, last = self.members[0][1], self.members[-1][1]
        if len(self.members) == 1:
            return f"`{first}`" if first else "the array"
        return f"`{first}`, `{last}`" if len(self.members) == 2 else f"`{first}` … `{last}`"


def words(name: str) -> list[str]:
    """The words in a name, lower case: `blocks.0.attn.hook_q` is blocks, attn, hook, q."""
    return [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def group(names: Iterable[str]) -> list[Group]:
    """The names in groups, in the order of their first member.

    Raises:
        DataError: the names of what looks like attention differ in two numbers, or two are of one
            layer.
    """
    skeletons: dict[str, list[str]] = {}
    for name in names:
        skeletons.setdefault(re.sub(r"[0-9]+", "{}", name), []).append(name)
    return [_group(skeleton, members) for skeleton, members in skeletons.items()]


def _group(skeleton: str, names: Sequence[str]) -> Group:
    numbers = [[int(digits[:18]) for digits in re.findall(r"[0-9]+", name)] for name in names]
    columns = list(zip(*numbers, strict=True))
    varying = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    role, stack = role_of(skeleton), _stack(words(skeleton))
    if role not in ("", "parameter", "ids") and len(varying) > 1:
        raise DataError(
            f"`{names[0]}` and {len(names) - 1} more differ in {len(varying)} numbers",
            "One array a layer is read, with its heads on one axis.",
        )
    if not columns:
        return Group(skeleton, ((None, names[0]),), role, stack)
    place = varying[0] if varying else 0
    members = sorted(zip((row[place] for row in numbers), names, strict=True))
    for (one, name), (other, another) in pairwise(members):
        if one == other and role not in ("", "parameter", "ids"):
            raise DataError(f"`{name}` and `{another}` are of the same layer")
    return Group(skeleton, tuple(members), role, stack)


def role_of(name: str) -> Role:
    """What an array is by the last word of its name."""
    last = (words(name) or [""])[-1]
    return "weights" if last in _PLAIN else _ROLES.get(last, "")


def _stack(found: Sequence[str]) -> Stack:
    return next((stack for stack, marks in _STACKS if set(marks) & set(found)), "")


class Found(NamedTuple):
    """The arrays of one attention: its weights or logits, or what they are computed from."""

    weights: Group | None = None
    logits: Group | None = None
    query: Group | None = None
    key: Group | None = None
    value: Group | None = None


def choose(groups: Sequence[Group], name: str) -> list[Found]:
    """What to read: one attention, or those of an encoder, a decoder and across.

    Weights go before logits, and logits before query and key.

    Raises:
        DataError: there is nothing to read, or too much; the message lists what there is.
    """
    for role in ("weights", "logits"):
        those = [one for one in groups if one.role == role]
        those = [one for one in those if not one.is_plain] or those
        if those:
            if len({one.stack for one in those}) < len(those):
                raise _cannot_choose(those, name)
            return [Found(**{role: one}) for one in those]
    if any(one.role == "query" for one in groups) and any(one.role == "key" for one in groups):
        return [
            Found(
                query=_only(groups, "query", name),
                key=_only(groups, "key", name),
                value=_only(groups, "value", name),
            )
        ]
    unknown = [one for one in groups if one.role == ""]
    if len(unknown) == 1:
        if unknown[0].is_numbered and {"head", "heads"} & set(words(unknown[0].template)[-1:]):
            raise DataError(
                f"{name} holds one array a head: {unknown[0].shown}",
                "One array a layer is read, with its heads on one axis.",
            )
        return [Found(weights=unknown[0])]
    if any(one.role == "parameter" for one in groups):
        raise DataError(
            f"{name} holds a model's parameters (such as `{groups[0].members[0][1]}`), and no "
            "attention of a text",
            "Run the model on a text and save the attention weights.",
        )
    raise _cannot_choose(unknown or list(groups), name)


def _only(groups: Sequence[Group], role: Role, name: str) -> Group | None:
    """The group of a role; where rotated queries and keys are there too, those are multiplied."""
    those = [one for one in groups if one.role == role]
    rotated = [one for one in those if "rot" in words(one.template)]
    those = rotated if len(rotated) == 1 else those
    if len(those) > 1:
        raise _cannot_choose(those, name)
    return those[0] if those else None


def _cannot_choose(groups: Sequence[Group], name: str) -> DataError:
    if not groups:
        return DataError(
            f"{name} has no schema of attn's (this program reads attn/1), and no array that could "
            "be attention",
            "Save the attention weights as `weights`, axes (layers, heads, queries, keys).",
        )
    listed = ", ".join(one.shown for one in groups[:6]) + (", …" if len(groups) > 6 else "")
    n_array = sum(len(one.members) for one in groups)
    held = "one array" if n_array == 1 else f"{n_array:,} arrays"
    return DataError(
        f"{name} holds {held}, and which is attention is not said: {listed}",
        "Save the attention weights as `weights`, or alone.",
    )
