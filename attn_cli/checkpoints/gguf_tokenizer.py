"""GGUF tokenizers: the vocabulary in a GGUF's metadata as the `tokenizer.json` that it came from.

Byte-pair vocabularies (`gpt2`) and SentencePiece ones (`llama`) are known. It makes a plain
document; `tokenizer` makes it work.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attn_cli.checkpoints.gguf import told
from attn_cli.errors import DataError

_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # of `tokenizer.ggml.token_type`

# What llama.cpp takes where a file does not say (`llama_vocab::impl::load`).
_USUAL = {"llama": {"bos": 1, "eos": 2}, "gpt2": {"bos": 11, "eos": 11}}
_VERBS = {"bos": "begins", "eos": "ends"}

_MOST_WORK = 1 << 28  # characters that are copied where tokens are cut at every place
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"


class Split(NamedTuple):
    """How a text is cut before pairs are merged; the names are those of `tokenizer.ggml.pre`."""

    names: tuple[str, ...]
    pattern: str | None = None  # None: GPT-2's own, which `tokenizers` has built in
    digits: bool = False  # each is cut off first
    normalizer: str | None = None
    ignore_merges: bool = False  # a word that is in the vocabulary is not built from pairs
    begins: bool = False  # with the beginning-of-text token, unless the file says otherwise


def _cased(digits: str, ending: str) -> str:
    """Words cut where lower case meets upper case; what o200k and Tekken share."""
    word = rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{ending}"
    capitals = rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{ending}"
    return rf"{word}|{capitals}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"


def _joined(digits: str) -> str:
    """Words with the character before them, as Llama 3 and Qwen 2 cut them."""
    word = r"[^\r\n\p{L}\p{N}]?\p{L}+"
    return rf"{_CONTRACTIONS}|{word}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"


SPLITS = (
    Split(("gpt-2", "phi-2", "mpt", "olmo", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de")),
    Split(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), digits=True),
    Split(
        ("llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"),
        _joined(r"\p{N}{1,3}"),
        ignore_merges=True,
        begins=True,
    ),
    Split(("dbrx", "smaug-bpe"), _joined(r"\p{N}{1,3}")),
    Split(("qwen2", "deepseek-r1-qwen"), _joined(r"\p{N}"), normalizer="NFC"),
    Split(("gpt-4o", "llama4"), _cased(r"\p{N}{1,3}", f"{_CONTRACTIONS}?")),
    Split(("tekken",), _cased(r"\p{N}", ""), ignore_merges=True, begins=True),
)
_SPLIT_OF = {name: split for split in SPLITS for name in split.names}


def document(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A `tokenizer.json` for a GGUF's vocabulary.

    Args:
        metadata: of the file, by key.
        name: of the file, for messages.

    Raises:
        DataError: there is no vocabulary, it is of a kind that is not known, or is inconsistent.
    """
    model = metadata.get("tokenizer.ggml.model")
    if model not in ("gpt2", "llama"):
        raise DataError(
            f"{name} has a tokenizer of the kind {told(model)}, which is not known",
            "Known are `gpt2` (byte pairs) and `llama` (SentencePiece). Use the safetensors model.",
        )
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise DataError(f"{name} has no vocabulary, a list `tokenizer.ggml.tokens`")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        twice = next(token for index, token in enumerate(tokens) if vocabulary[token] != index)
        raise DataError(f"{name}: the token `{twice[:80]}` is twice in the vocabulary")
    kinds = _numbers(metadata, "token_type", len(tokens), name) or [1] * len(tokens)
    build = _byte_level if model == "gpt2" else _sentence_piece
    parts, begins = build(metadata, name, vocabulary, kinds)
    return {
        "version": "1.0",
        "added_tokens": _added(tokens, kinds),
        "post_processor": _around(metadata, name, tokens, begins),
        **parts,
    }


def _numbers(metadata: Mapping[str, Any], key: str, n: int, name: str) -> Sequence[Any] | None:
    """The numbers of a key, one for each of n tokens; None if there is no such key."""
    found = metadata.get(f"tokenizer.ggml.{key}")
    if found is None:
        return None
    is_list = isinstance(found, array) or (
        isinstance(found, list) and all(isinstance(item, (int, float)) for item in found)
    )
    if not is_list or len(found) != n:
        raise DataError(f"{name}: `tokenizer.ggml.{key}` is no list of {n} numbers, one a token")
    numbers: Sequence[Any] = found
    return numbers


def _byte_level(
    metadata: Mapping[str, Any], name: str, vocabulary: dict[str, int], kinds: Sequence[int]
) -> tuple[dict[str, Any], bool]:
    """GPT-2's kind: a text is cut by a pattern, and pairs of bytes are merged in each piece."""
    cut = metadata.get("tokenizer.ggml.pre", "gpt-2")
    split = _SPLIT_OF.get(cut) if isinstance(cut, str) else None
    if split is None:
        raise DataError(
            f"{name}: texts are cut as {told(cut)}, which is not known",
            "Use the safetensors model, whose tokenizer.json says how.",
        )
    merges = metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, list) or not all(isinstance(merge, str) for merge in merges):
        raise DataError(f"{name} has no list `tokenizer.ggml.merges`")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    cuts: list[dict[str, Any]] = []
    if split.digits:
        cuts.append({"type": "Digits", "individual_digits": True})
    if split.pattern:
        pattern = {"Regex": split.pattern}
        cuts.append({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False})
    cuts.append(byte_level | {"use_regex": not split.pattern})
    parts = {
        "normalizer": {"type": split.normalizer} if split.normalizer else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts},
        "decoder": byte_level | {"use_regex": True},
        "model": {
            "type": "BPE",
            "ignore_merges": split.ignore_merges,
            "vocab": vocabulary,
            "merges": [_halves(merge) for merge in merges],
        },
    }
    return parts, split.begins


def _halves(merge: str) -> list[str]:
    """A merge's two parts, with a space between; the first may begin with one."""
    place = merge.find(" ", 1)
    return [merge[:place], merge[place + 1 :]] if place > 0 else [merge, ""]


def _sentence_piece(
    metadata: Mapping[str, Any], name: str, vocabulary: dict[str, int], kinds: Sequence[int]
) -> tuple[dict[str, Any], bool]:
    """SentencePiece's byte-pair kind: the neighbours whose union scores best are merged first."""
    scores = _numbers(metadata, "scores", len(vocabulary), name)
    if scores is None:
        raise DataError(f"{name} has no score for each of its {len(vocabulary)} tokens")
    if sum(len(token) ** 2 for token in vocabulary) > _MOST_WORK:
        longest = max(vocabulary, key=len)
        raise DataError(
            f"{name}: its tokens are too long: `{longest[:20]}…` has {len(longest):,} characters"
        )
    unknown = [token for token, index in vocabulary.items() if kinds[index] == _UNKNOWN]
    prefix = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    prepended = {"type": "Prepend", "prepend": "▁"}
    undone: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if prefix:
        undone.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    parts = {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [prepended, replaced] if prefix else [replaced],
        },
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": undone},
        "model": {
            "type": "BPE",
            "unk_token": unknown[0] if unknown else None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": _merges(vocabulary, scores, kinds),
        },
    }
    return parts, True


def _merges(
    vocabulary: Mapping[str, int], scores: Sequence[float], kinds: Sequence[int]
) -> list[list[str]]:
    """Every way to make a token of two others, best score first; ties in the vocabulary's order."""
    found = []
    for token, index in vocabulary.items():
        if kinds[index] in (_UNKNOWN, _CONTROL):
            continue
        for cut in range(1, len(token)):
            left, right = vocabulary.get(token[:cut]), vocabulary.get(token[cut:])
            if left is not None and right is not None:
                found.append((-scores[index], left, right, token, cut))
    return [[token[:cut], token[cut:]] for _, _, _, token, cut in sorted(found)]


def _added(tokens: Sequence[str], kinds: Sequence[int]) -> list[dict[str, Any]]:
    """Tokens that are found in a text as they stand, before it is cut."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return [
        {"id": index, "content": token, "special": kinds[index] != _USER_DEFINED, **plain}
        for index, token in enumerate(tokens)
        if token and kinds[index] in (_UNKNOWN, _CONTROL, _USER_DEFINED)
    ]


def _around(
    metadata: Mapping[str, Any], name: str, tokens: Sequence[str], begins: bool
) -> dict[str, Any] | None:
    """The special tokens that a text gets: the one that begins it, the one that ends it."""
    first = _special(metadata, name, tokens, "bos", begins)
    last = _special(metadata, name, tokens, "eos", False)
    used = {token["id"]: token for token in (*first, *last)}
    if not used:
        return None

    def one(text: str, number: int) -> list[dict[str, Any]]:
        before, after = (
            [{"SpecialToken": {"id": token["id"], "type_id": number}} for token in group]
            for group in (first, last)
        )
        return [*before, {"Sequence": {"id": text, "type_id": number}}, *after]

    return {
        "type": "TemplateProcessing",
        "single": one("A", 0),
        "pair": [*one("A", 0), *one("B", 1)],
        "special_tokens": used,
    }


def _special(
    metadata: Mapping[str, Any], name: str, tokens: Sequence[str], which: str, default: bool
) -> list[dict[str, Any]]:
    """The token that begins or ends a text, if one does.

    To leave it out where it cannot be had would be another attention without a word.
    """
    switch, key = f"tokenizer.ggml.add_{which}_token", f"tokenizer.ggml.{which}_token_id"
    wanted = metadata.get(switch, default)
    if type(wanted) is not bool:
        raise DataError(f"{name}: `{switch}` is neither true nor false: {told(wanted)}")
    if not wanted:
        return []
    usual = _USUAL[str(metadata["tokenizer.ggml.model"])][which]
    index = metadata.get(key, usual)
    if type(index) is not int or not 0 <= index < len(tokens):
        says = f"is {told(index)}" if key in metadata else f"is missing, which means {usual}"
        raise DataError(
            f"{name}: `{key}` {says}, and must be the id of one of {len(tokens)} tokens",
            f"The file says that each text {_VERBS[which]} with that token: make it anew, or use "
            "the safetensors model.",
        )
    return [{"id": tokens[index], "ids": [index], "tokens": [tokens[index]]}]
