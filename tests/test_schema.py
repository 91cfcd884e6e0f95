"""The JSON Schema: the one that ships is the one that the code gives, and documents obey it."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from test_files import inspections

from attn_cli import files, inspect
from attn_cli.errors import DataError
from attn_cli.files import document, schema
from attn_cli.inspection import Inspection, Layer, Mask, Token

SCHEMA = json.loads(files.SCHEMA_FILE.read_bytes())
VALIDATOR = Draft202012Validator(SCHEMA)


def written(run: Inspection, precision: int | None = None) -> Any:
    return json.loads(b"".join(files.encode([run], "json", precision=precision)))


def masked() -> Inspection:
    """Absent arrays, other key tokens, masked logits and a row that sees nothing."""
    allowed = np.array([[True, False], [False, False]])
    return Inspection(
        kind="cross",
        query_tokens=(Token("a"), Token("b", span=(0, 1), special=True, word=0)),
        key_tokens=(Token("c"), Token("")),
        mask=Mask(name="given", parameters={"window": 2}, allowed=allowed),
        layers=(
            Layer(
                weights=np.array([[[1, 0], [0, 0]]]),
                logits=np.where(allowed, 0.5, -np.inf)[None],
                lse=np.array([[0.5, -np.inf]]),
            ),
        ),
    )


GOOD = written(inspect("Life is short", seed=2**40))


def test_what_ships_is_what_the_code_gives() -> None:
    assert files.SCHEMA_FILE.read_text("utf-8") == schema.text()
    assert json.loads(schema.text()) == schema.generate()


def test_it_is_a_schema_of_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["properties"]["schema"] == {"const": "attn/1"}


@pytest.mark.parametrize(
    "found",
    [
        GOOD,
        written(inspect("a b", split="bytes"), precision=3),
        written(inspect("a").keeping(set())),
        written(masked()),
        written(Inspection(query_tokens=(Token("a"),))),
    ],
    ids=["tutorial", "rounded", "weights alone", "masked", "no layers"],
)
def test_documents_obey_it(found: Any) -> None:
    VALIDATOR.validate(found)


@given(inspections())
@settings(max_examples=40, deadline=None, database=None)
def test_every_document_obeys_it(run: Inspection) -> None:
    VALIDATOR.validate(written(run))


def at(found: Any, place: str) -> tuple[Any, Any]:
    """The owner of `layers.0.weights` and its key there."""
    *owners, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    for key in owners:
        found = found[key]
    return found, last


NEEDED = [
    *("schema", "text", "kind", "dimensions", "query_tokens", "key_tokens", "vocabulary", "mask"),
    *("layers", "source", "layers.0.index", "layers.0.weights", "query_tokens.0.text"),
    *("source.model", "source.version", "mask.name"),
]


@pytest.mark.parametrize("place", NEEDED)
def test_without_a_part_a_document_does_not_obey(place: str) -> None:
    found = deepcopy(GOOD)
    owner, key = at(found, place)
    del owner[key]
    assert not VALIDATOR.is_valid(found)
    assert VALIDATOR.is_valid(GOOD)


MISTYPED: list[tuple[str, Any]] = [
    ("schema", "attn/2"),
    ("text", None),
    ("text", 5),
    ("kind", "both"),
    ("query_tokens", None),
    ("query_tokens.0", "Life"),
    ("query_tokens.0.text", 1),
    ("query_tokens.0.span", [1]),
    ("query_tokens.0.span", [1, 2, 3]),
    ("query_tokens.0.span", ["1", "2"]),
    ("query_tokens.0.special", 1),
    ("query_tokens.0.word", "0"),
    ("key_tokens", "same"),
    ("token_ids", ["1", "2", "3"]),
    ("token_ids", [0.5, 1, 2]),
    ("vocabulary", ["Life"]),
    ("vocabulary.Life", "0"),
    ("embedding", [1, 2, 3]),
    ("embedding.0.0", None),
    ("embedding.0.0", "0.1"),
    ("embedding.0.0", True),
    ("mask", None),
    ("mask.name", 5),
    ("mask.parameters", []),
    ("mask.allowed", [[1, 0, 0]]),
    ("layers", {}),
    ("layers.0.index", 0.5),
    ("layers.0.scale", "1"),
    ("layers.0.weights", None),
    ("layers.0.weights", [[1.0]]),
    ("layers.0.weights.0.0.0", None),
    ("layers.0.logits.0.0.0", "-inf"),
    ("layers.0.lse.0.0", [1.0]),
    ("source", None),
    ("source.seed", "123"),
    ("source.settings", None),
]


@pytest.mark.parametrize(("place", "value"), MISTYPED)
def test_a_wrong_type_neither_obeys_nor_is_read(place: str, value: Any) -> None:
    found = deepcopy(GOOD)
    owner, key = at(found, place)
    assert key in owner if isinstance(owner, dict) else key < len(owner)
    owner[key] = value
    assert not VALIDATOR.is_valid(found)
    if (place, value) == ("source.settings", None):
        return  # a reader may take what is absent for empty
    with pytest.raises(DataError):
        document.from_document(found, "it")


def test_the_dimensions_are_whole_numbers() -> None:
    """They are there for people and jq; a reader goes by the arrays."""
    for value in (None, {"n_query": "3"}, {"n_query": 2.5}):
        assert not VALIDATOR.is_valid(GOOD | {"dimensions": value})
