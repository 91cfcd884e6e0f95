"""Schema: the JSON Schema (2020-12) of an Inspection, made from the dataclasses that declare it.

The result ships as `files.SCHEMA_FILE`, which costs no import; a test holds the two together.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from attn_cli.files.document import SCHEMA
from attn_cli.inspection import Inspection, Layer, Mask, Source

_INTEGER, _STRING, _BOOLEAN = {"type": "integer"}, {"type": "string"}, {"type": "boolean"}
_PLAIN: dict[str, dict[str, Any]] = {
    "str": _STRING,
    "int": _INTEGER,
    "float": {"type": "number"},
    "Mapping[str, Any]": {"type": "object"},
}
_LEAVES = {"f": {"type": "number"}, "i": _INTEGER, "b": _BOOLEAN}


def generate() -> dict[str, Any]:
    """The schema of one document, as plain values."""
    parts = {
        "schema": {"const": SCHEMA},
        "text": _STRING | {"description": "what was asked"},
        "kind": {"enum": ["self", "causal", "cross"]},
        "dimensions": {
            "type": "object",
            "description": "the size of every named axis",
            "additionalProperties": _INTEGER,
        },
        "query_tokens": {"type": "array", "items": {"$ref": "#/$defs/token"}},
        "key_tokens": _or_null({"type": "array", "items": {"$ref": "#/$defs/token"}})
        | {"description": "null: the same as query_tokens"},
        "vocabulary": _or_null({"type": "object", "additionalProperties": _INTEGER})
        | {"description": "word to id"},
        "mask": {"$ref": "#/$defs/mask"},
        "layers": {"type": "array", "items": {"$ref": "#/$defs/layer"}},
        "source": {"$ref": "#/$defs/source"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"An inspection of attention, {SCHEMA}",
        "description": "Arrays are [head][query][key]: rows look, columns are looked at.",
        "type": "object",
        "required": list(parts),
        "properties": parts | _arrays(Inspection),
        "$defs": {
            "token": _TOKEN,
            "mask": _part(Mask, ["name"]),
            "layer": _part(Layer, ["index", "weights"]),
            "source": _part(Source, ["model", "version"]),
        },
    }


def text() -> str:
    """The schema as it ships."""
    return json.dumps(generate(), indent=2) + "\n"


_TOKEN = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": _STRING | {"description": "as a person reads it"},
        "span": {
            "description": "first character and the one after the last, in `text`",
            "type": ["array", "null"],
            "items": _INTEGER,
            "minItems": 2,
            "maxItems": 2,
        },
        "special": _BOOLEAN | {"description": "added by a tokenizer"},
        "word": {"type": ["integer", "null"], "description": "which word it is a piece of"},
        "pieces": {
            "type": "array",
            "items": _STRING,
            "description": "the tokens that were folded into this one; left out if there are none",
        },
    },
}


def _part(kind: type, required: list[str]) -> dict[str, Any]:
    plain = {}
    for item in fields(kind):
        if "axes" not in item.metadata:
            name = str(item.type)
            schema = _PLAIN[name.removesuffix(" | None")]
            plain[item.name] = _or_null(schema) if name.endswith("None") else schema
    return {"type": "object", "required": required, "properties": plain | _arrays(kind)}


def _arrays(kind: type) -> dict[str, Any]:
    found = {}
    for item in fields(kind):
        if "axes" not in item.metadata:
            continue
        axes, leaf = item.metadata["axes"], _LEAVES[item.metadata["dtype"].kind]
        schema: dict[str, Any] = _or_null(leaf) if item.metadata["infinite"] else leaf
        for _ in axes:
            schema = {"type": "array", "items": schema}
        meaning = f"[{', '.join(axes)}] {item.metadata['meaning']}"
        if "None" in str(item.type):
            schema = _or_null(schema)
        found[item.name] = schema | {"description": meaning}
    return found


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}
