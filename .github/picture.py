"""Draw `.github/attn.svg`, the picture in the README, from the program's real output.

python .github/picture.py
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import MONOKAI

from attn_cli import inspect
from attn_cli.terminal.show import lines
from attn_cli.terminal.styles import Screen

TEXT = "Life is short, eat dessert first"
COMMAND = f'$ attn inspect "{TEXT}"'
PICTURE = Path(__file__).with_name("attn.svg")

# rich's own frame without the web font that it would load from elsewhere.
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="attn inspect: ids, embedding and attention weights as coloured tables">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
 font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture() -> str:
    """The SVG as text; the same for the same output."""
    console = Console(
        record=True, width=76, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )
    console.print(COMMAND, style="bold", markup=False, highlight=False)
    for line in lines(inspect(TEXT), Screen(width=76, colors="truecolor")):
        console.print(Segments([*line, Segment.line()]))
    return console.export_svg(title="", theme=MONOKAI, code_format=FRAME, unique_id="attn")


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
