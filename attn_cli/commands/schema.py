"""`attn schema`: the JSON Schema of what `--json` prints."""

from __future__ import annotations

from attn_cli.commands.streams import write_bytes
from attn_cli.files import SCHEMA_FILE

EPILOG = """Example:

attn schema
"""


def schema() -> int:
    """Print the JSON Schema (2020-12) of an Inspection, attn/1."""
    write_bytes(SCHEMA_FILE.read_bytes())
    return 0
