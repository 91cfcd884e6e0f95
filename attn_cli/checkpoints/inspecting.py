"""Inspecting: a text through a checkpoint, as Inspections.

It joins the reader, the tokenizer and the forward pass; each of them does its own part.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attn_cli import __version__
from attn_cli.checkpoints.architecture import Architecture, architecture
from attn_cli.checkpoints.checkpoint import Checkpoint
from attn_cli.checkpoints.kept import Kept
from attn_cli.checkpoints.masks import MaskPlan, widest
from attn_cli.checkpoints.tensors import Origin
from attn_cli.checkpoints.tokenizer import numbered, too_long
from attn_cli.checkpoints.transformer import Edit, Run, Transformer
from attn_cli.errors import AttnError, UsageError
from attn_cli.frozen import Frozen
from attn_cli.inspection import Inspection, Kind, Layer, Mask, Source, Token, arrays
from attn_cli.selection import numbers, with_heads
from attn_cli.vocabulary import Vocabulary

if TYPE_CHECKING:
    from attn_cli.checkpoints.ablation import Ablation, Replacement
    from attn_cli.checkpoints.rotary import Rotary
    from attn_cli.checkpoints.tokenizer import Encoded, Tokenizer


_PART = "\ufffd"  # what stands for a character of which some bytes are still to come
_FAR_BEYOND = 250  # characters for each position: to cut more into tokens takes up to a minute


class Text(NamedTuple):
    """What a model is given: one text, a pair for an encoder, a decoder's own text beside it."""

    text: str
    pair: str | None = None
    decoder: str | None = None
    truncate: bool = False  # cut what is longer than the model's positions


@dataclass(init=False, eq=False, repr=False)
class Asked(Frozen):
    """Which layers, heads and arrays are wanted; `attn_cli.selection` says how to name numbers."""

    layers: str | None = None  # None: all
    heads: str | None = None
    keep: Collection[str] = ()  # beside the weights


class Model:
    """A checkpoint, ready to look at texts."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Read the configuration; weights are read as they are needed.

        Raises:
            DataError: it is of a family that is not known, or contradicts itself.
        """
        self.checkpoint = checkpoint
        try:
            self.architecture = architecture(checkpoint.config)
        except AttnError as error:
            raise type(error)(_reworded(error.message, checkpoint), error.hint) from None

    @cached_property
    def stack(self) -> Transformer:
        """The decoder, or the only stack."""
        return Transformer(self.architecture, self.checkpoint.tensors)

    @cached_property
    def encoder(self) -> Transformer | None:
        """The encoder, of a model that has both."""
        own = self.architecture.encoder
        return None if own is None else Transformer(own, self.checkpoint.tensors)

    def inspect(
        self, given: Text, asked: Asked | None = None, edit: Edit | None = None
    ) -> list[Inspection]:
        """The attention of a text: one Inspection, or three for an encoder and a decoder's text.

        Those three are the encoder's self-attention, the decoder's causal attention, and its
        cross-attention to the encoder's text.

        Raises:
            DataError: the text has no tokens, more than the model has positions, or a token that
                the model does not know; or the checkpoint is damaged.
            UsageError: the model cannot take what is given, or has no such layer or head.
        """
        asked = asked or Asked()
        self._require_sense(given)
        first = self.encoder or self.stack
        arch, keep = first.architecture, {"weights", *asked.keep}
        encoded = self._encode(given.text, given.pair, given.truncate, arch)
        types = np.array(encoded.types) if arch.n_type else None
        run = Run(first, np.array(encoded.ids), types=types, edit=edit)
        own = [_chosen(step.own, asked) for step in run.layers(_layers(asked, arch), keep)]
        found = [self._inspection(arch, encoded, own, asked, run=run)]
        if given.decoder is None:
            return found
        arch = self.stack.architecture
        target = self._shifted(self._encode(given.decoder, None, given.truncate, arch))
        run = Run(self.stack, np.array(target.ids), encoded=run.finish(), edit=edit)
        own, crossed = [], []
        for step in run.layers(_layers(asked, arch), keep):
            assert step.cross is not None  # a decoder beside an encoder looks at it in every layer
            own.append(_chosen(step.own, asked))
            crossed.append(_chosen(step.cross, asked))
        return [
            *found,
            self._inspection(arch, target, own, asked, run=run),
            self._inspection(arch, target, crossed, asked, keys=encoded, cross=True),
        ]

    def ablate(
        self, given: Text, heads: str, replacement: Replacement = "zero"
    ) -> tuple[Inspection, Ablation]:
        """A text, and what the model makes of it without some heads or single weights of theirs.

        Args:
            heads: `layer.head`, as `attn_cli.checkpoints.ablation.parse` has it.

        Raises:
            DataError, UsageError: as `inspect`, or the model has an encoder beside its decoder.
        """
        if self.encoder is not None:
            raise UsageError("a model of two stacks is not ablated here, only one with one")
        from attn_cli.checkpoints.ablation import ablate, parse

        chosen = parse(heads, self.architecture)
        layers = ",".join(str(layer) for layer in sorted({head.layer for head in chosen}))
        found = self.inspect(given, Asked(layers=layers))[0]
        assert found.token_ids is not None
        types = None
        if self.architecture.n_type:
            encoded = self._encode(given.text, given.pair, given.truncate, self.architecture)
            types = np.array(encoded.types)
        return found, ablate(self.stack, found.token_ids, types, chosen, replacement)

    def token(self, token_id: int) -> str:
        """A token of the vocabulary as a person reads it."""
        tokenizer = self.checkpoint.tokenizer
        return tokenizer.readable(tokenizer.piece(token_id), token_id)

    def generate(self, given: Text, n_new: int, asked: Asked | None = None) -> Iterator[Inspection]:
        """Each new token as it is made, with its row of attention over all before it.

        Greedy: the likeliest token each time. An Inspection's text is all that there is so far,
        the new token included; its query is the token that looked for it, and its keys are all
        tokens before the new one. What was found is in `source.settings`: `new_token`, `new_id`,
        and `is_end`, after which there are no more. There may also be fewer than n_new where the
        model's positions are full.

        Raises:
            DataError, UsageError: as `inspect`, or the model predicts no next token.
        """
        from attn_cli.checkpoints.generation import generate

        asked = asked or Asked()
        arch, tokenizer = self.architecture, self.checkpoint.tokenizer
        if self.encoder is not None or arch.kind != "causal":
            raise UsageError("the model predicts no next token: only a decoder goes on with a text")
        self._require_sense(given)
        so_far = self._encode(given.text, None, given.truncate, arch)
        chosen, limit = _layers(asked, arch), n_context(arch, self.checkpoint.config)
        room = n_new if limit is None else min(n_new, limit - len(so_far.ids) + 1)
        stack = Transformer(arch, Kept(self.checkpoint.tensors))  # every weight is read again
        made = generate(stack, np.array(so_far.ids), room, keep={"weights", *asked.keep})
        for new in made:
            grown = _grown(so_far, new.token_id, tokenizer)
            last = so_far._replace(
                text=grown.text,
                ids=so_far.ids[-1:],
                tokens=so_far.tokens[-1:],
                pieces=so_far.pieces[-1:],
            )
            rows = (_last_row(step.own) for i, step in enumerate(new.steps) if i in chosen)
            layers = [_chosen(row, asked) for row in rows]
            added = {
                "new_token": grown.tokens[-1].text,
                "new_id": new.token_id,
                "is_end": new.token_id in arch.end_tokens,
            }
            yield self._inspection(arch, last, layers, asked, keys=so_far, added=added)
            so_far = grown

    def _require_sense(self, given: Text) -> None:
        family = f"a model of type {self._source.architecture}"
        if given.decoder is not None and self.encoder is None:
            raise UsageError(f"{family} has no decoder beside an encoder", "Leave --decoder out.")
        if given.pair is not None and (
            self.encoder is not None or self.architecture.kind == "causal"
        ):
            raise UsageError(f"{family} takes no pair of texts", "Leave --pair out.")

    def _encode(self, text: str, pair: str | None, truncate: bool, arch: Architecture) -> Encoded:
        limit = n_context(arch, self.checkpoint.config)
        if limit is not None and not truncate and len(text) + len(pair or "") > _FAR_BEYOND * limit:
            n = sum(map(len, f"{text} {pair or ''}".split()))  # white space may be no token
            if n > _FAR_BEYOND * limit:
                raise too_long(f"{n:,} characters", f"{limit:,}")
        return self.checkpoint.tokenizer.encode(
            text, pair, n_rows=arch.n_vocab, limit=limit, truncate=truncate
        )

    def _shifted(self, encoded: Encoded) -> Encoded:
        """A decoder's text as it was trained on it: the start token first, the last one left off.

        As transformers shifts labels to the right (Raffel et al. 2020, section 2.1).
        """
        start = self.architecture.start_token
        if start is None:
            return encoded
        piece = self.checkpoint.tokenizer.piece(start)
        shown = Token(self.checkpoint.tokenizer.readable(piece, start), None, special=True)
        return encoded._replace(
            ids=(start, *encoded.ids[:-1]),
            tokens=(shown, *encoded.tokens[:-1]),
            pieces=(piece, *encoded.pieces[:-1]),
        )

    def _inspection(
        self,
        arch: Architecture,
        queries: Encoded,
        layers: Sequence[Layer],
        asked: Asked,
        *,
        run: Run | None = None,
        keys: Encoded | None = None,
        cross: bool = False,
        added: Mapping[str, Any] | None = None,
    ) -> Inspection:
        """What was found, with the mask of the most layers; a layer with another has it itself."""
        keys = keys or queries
        n_query, n_key = len(queries.ids), len(keys.ids)
        plan = MaskPlan() if cross else widest(arch.masks)
        allowed = plan.allowed(n_query, n_key)
        if not cross:
            layers = [_with_mask(layer, arch, plan, n_query, n_key) for layer in layers]
        kind: Kind = "cross" if cross else arch.kind
        settings = {"n_layer": len(arch.layers), "n_head": arch.n_head, "n_kv_head": arch.n_kv_head}
        if queries.n_uncut is not None:
            settings["n_uncut"] = queries.n_uncut
        return Inspection(
            text=queries.text,
            kind=kind,
            query_tokens=queries.tokens,
            key_tokens=keys.tokens,
            token_ids=np.array(queries.ids),
            key_text=keys.text if cross else None,
            key_ids=np.array(keys.ids) if cross else None,
            vocabulary=_vocabulary(queries) if "vocabulary" in asked.keep else None,
            embedding=run.embedding if run is not None and "embedding" in asked.keep else None,
            mask=Mask(name=plan.name, parameters=plan.parameters, allowed=allowed),
            layers=tuple(layers),
            source=replace(
                self._source, settings={**self._source.settings, **settings, **(added or {})}
            ),
        )

    @cached_property
    def _source(self) -> Source:
        checkpoint = self.checkpoint
        return Source(
            model=checkpoint.name,
            architecture=str(checkpoint.config.get("model_type")),
            settings={"stored": checkpoint.dtype},  # the numbers themselves are float32
            file_hash=checkpoint.file_hash,
            version=__version__,
        )


def _reworded(message: str, checkpoint: Checkpoint) -> str:
    """What is wrong with a config.json, in the words of the file that it came from."""
    origin = getattr(checkpoint.tensors, "origin", Origin())
    if origin.config == "config.json":
        return message.replace("config.json", str(checkpoint.path / "config.json"), 1)
    named = re.sub("`([^`]*)`", lambda match: f"`{origin.key(match[1])}`", message)
    return named.replace("config.json", origin.place, 1)


def n_context(arch: Architecture, config: Mapping[str, Any]) -> int | None:
    """How many tokens a model can take at once; None where nothing limits it."""
    if arch.positions is not None:
        return arch.positions.n_rows - arch.positions.offset
    trained = config.get("max_position_embeddings")
    if type(trained) is not int or trained < 1:
        return None
    codes = [layer.rotary for layer in arch.layers if layer.rotary is not None]
    return max((_reach(code, trained) for code in codes), default=None)


def _reach(code: Rotary, trained: int) -> int:
    """How many positions a rotary code is meant for: what it stretches may say only the old number.

    transformers' own files count the stretched ones with llama3 and longrope, and Gemma 3's linear
    code; Qwen's with YaRN and others' with dynamic and linear codes those of before.
    """
    if code.kind in ("linear", "dynamic"):
        return int(trained * max(code.factor, 1.0))
    if code.kind == "yarn":
        return max(trained, int(code.length * code.factor))
    return trained


def _layers(asked: Asked, arch: Architecture) -> list[int]:
    count = len(arch.layers)
    return list(range(count)) if asked.layers is None else numbers(asked.layers, count, "layer")


def _chosen(layer: Layer, asked: Asked) -> Layer:
    return layer if asked.heads is None else with_heads(layer, asked.heads)


def _with_mask(
    layer: Layer, arch: Architecture, usual: MaskPlan, n_query: int, n_key: int
) -> Layer:
    plan = arch.layers[layer.index].mask
    if plan.window == usual.window or (plan.window is not None and plan.window >= n_key):
        return layer
    return replace(layer, allowed=plan.allowed(n_query, n_key))


def _last_row(layer: Layer) -> Layer:
    """A layer with its last query alone: that of the token that looked for the new one."""
    changed: dict[str, Any] = {
        name: array[:, -1:]
        for name, array, declared in arrays(layer)
        if declared["axes"][:2] == ("n_head", "n_query")
    }
    return replace(layer, rotation=None, **changed)  # whose first row is the first token's


def _grown(so_far: Encoded, token_id: int, tokenizer: Tokenizer) -> Encoded:
    """A text with one more token; what the token stands for is what the whole has more with it."""
    before, piece = tokenizer.decode(so_far.ids, special=True), tokenizer.piece(token_id)
    after = tokenizer.decode((*so_far.ids, token_id), special=True)
    while not after.startswith(before) and before.endswith(_PART):  # now it may be whole
        before = before[:-1]
        so_far = so_far._replace(text=so_far.text.removesuffix(_PART))
    added = after[len(before) :] if after.startswith(before) else ""
    start, text = len(so_far.text), so_far.text + added
    token = Token(tokenizer.readable(piece, token_id), (start, len(text)))
    return so_far._replace(
        text=text,
        ids=(*so_far.ids, token_id),
        tokens=numbered((*so_far.tokens, token), text),
        types=(*so_far.types, 0),
        pieces=(*so_far.pieces, piece),
    )


def _vocabulary(encoded: Encoded) -> Vocabulary:
    """Only what the text used."""
    return Vocabulary(dict(zip(encoded.pieces, encoded.ids, strict=True)))
