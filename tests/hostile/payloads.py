"""Payloads: strings that a terminal, a page, a spreadsheet or a library could take for more.

Each is one word without a space, so that it can be a token, a name, a key or a value.
"""

from __future__ import annotations

ONE_BY_ONE = {
    "escape": "\x1b[31mred\x1b[2J",
    "title": "\x1b]0;owned\x07\x1b]8;;http://a.b\x1b\\x",
    "C0": "".join(map(chr, range(1, 9))) + "\x0e\x1a\x7f",
    "C1": "".join(map(chr, (*range(0x80, 0x85), *range(0x86, 0xA0)))) + "x",
    "bidi": "a\u202eb\u2066c\u200ed\u061ce\u2069",
    "invisible": "a\u200bb\u2060c\u00add\ufefff\u180e\u2063",
    "tags": "a\U000e0068\U000e0069\U000e0001",
    "selectors": "a\ufe0f" + "".join(map(chr, range(0xE0100, 0xE0130))) + "\ufe00\ufe01",
    "private": "a\ue000\uf8ff\U000f0000\U0010fffd",
    "unassigned": "a\u0378\ufdd0\ufffe\uffff\U0001ffff\U000e1000",
    "joiners": "a\u200db\u200cc\u200d",
    "persian": "می\u200cخواهم",
    "emoji": "👩\u200d👩\u200d👧🏳️\u200d🌈1\ufe0f\u20e3👍🏽🇫🇷",
    "flag": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "emoji-falls-apart": "👩\u200d\u200d👧\u200dx\ufe0f\ufe0f\u200d👧\u200d",
    "tower": "Z" + "\u0301\u0489\u20dd" * 300 + "a",
    "marks-alone": "\u0301\u0300\u20dd",
    "fillers": "\u3164\u115f\u1160\uffa0\u2800\u034f",
    "jamo": "ᄀ" + "\u1161" * 200,
    "right-to-left": "שלום،مرحبا",
    "wide": "漢字ｆｕｌｌ한국어",
    "ligature": "﷽ǆ\u0ddd\u1d159",
    "markup": "[/][bold]x[/bold][link=http://a.b]y[/link][@click=app.bell]z[/]",
    "shortcodes": ":smile::boom::warning:",
    "formats": "{0}{}{x!r:>9}%s%(a)s%n$PATH`id`$(id)",
    "backslashes": "\\\\x1b\\n\\u202e\\",
    "html": "</title></style></script><script>x</script><!--]]>&lt;\"'<a/href='javascript:x'>",
    "markdown": "|a|`b`![x](javascript:x)<http://a.b>**c**~~d~~#e$f$",
    "formula": "=cmd|'/C'!A0",
    "quotes": "\"'`´‘’“”«»",
}

# Together, for the many places in which any of them would do.
OBEYED = "".join(ONE_BY_ONE[name] for name in ("escape", "C0", "C1", "bidi", "invisible", "tags"))
OBEYED += "\u2028" + ONE_BY_ONE["private"] + ONE_BY_ONE["unassigned"] + ONE_BY_ONE["joiners"]
MARKED = "".join(ONE_BY_ONE[name] for name in ("markup", "shortcodes", "formats", "html"))
TOGETHER = {
    "obeyed": OBEYED.replace("/", "").replace("\u2028", "\u00ad"),
    "marked": MARKED.replace("/", "\\"),
    "towers": "".join(ONE_BY_ONE[name] for name in ("marks-alone", "tower", "fillers", "jamo")),
}
