"""What a terminal shows, as an SVG."""

import html
import re
import unicodedata

WIDTH, HEIGHT = 8.4, 19
MARGIN, BAR = 16, 34
COLOURS = {
    "complete": "#7ee787",
    "partial": "#e3b341",
    "never went live": "#8b949e",
    "has not begun": "#8b949e",
}


def _cells(mark):
    if mark == "\ufe0f":
        # It makes a picture of a character of one column.
        return 1
    if unicodedata.combining(mark) or mark in "\u200d\ufe0e":
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1


def columns(line):
    """How many columns of a terminal a line takes."""
    return sum(_cells(mark) for mark in line)


def _runs(line):
    """The line in pieces of equally wide characters: column, text, columns."""
    run, begin, at, wide = "", 0, 0, None
    for mark in line:
        cells = _cells(mark)
        if cells and wide is not None and (cells == 2) != wide:
            yield begin, run, at - begin
            run, begin = "", at
        if cells:
            wide = cells == 2
        run += mark
        at += cells
    if run:
        yield begin, run, at - begin


def _text(line, y):
    """A line as elements, each stretched to the columns that it has in a terminal."""
    colour = next((shade for word, shade in COLOURS.items() if f"  {word}" in line), None)
    fill = ' fill="#7ee787"' if line.startswith("$ ") else f' fill="{colour}"' if colour else ""
    for column, run, _ in _runs(line):
        # Spaces that follow one another are one in an SVG.
        for word in re.finditer(r"\S+(?: \S+)*", run):
            x = MARGIN + (column + columns(run[: word.start()])) * WIDTH
            yield (
                f'<text x="{x:.1f}" y="{y}" textLength="{columns(word.group()) * WIDTH:.1f}"'
                f' lengthAdjust="spacingAndGlyphs"{fill}>{html.escape(word.group())}</text>'
            )


def picture(command, output, title):
    """A window with a command and what it printed."""
    lines = [f"$ {command}", *output.rstrip("\n").split("\n")]
    wide = round(max(columns(line) for line in lines) * WIDTH + 2 * MARGIN)
    high = BAR + len(lines) * HEIGHT + MARGIN
    rows = [element for number, line in enumerate(lines) for element in _text(line, BAR + (number + 1) * HEIGHT - 5)]
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 18 * n}" cy="17" r="5.5" fill="{c}"/>'
        for n, c in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f'<rect width="{wide}" height="{high}" rx="8" fill="#0d1117"/>',
            dots,
            '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', \'Noto Sans Mono CJK SC\', monospace"'
            ' font-size="14" fill="#e6edf3">',
            *rows,
            "</g>",
            "</svg>",
            "",
        ]
    )
