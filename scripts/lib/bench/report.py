"""The results as text: for a terminal, and as the page docs/benchmarks.md."""

from pathlib import Path

from results import number, shown

BEGIN, END = "<!-- generated -->", "<!-- end of generated -->"
NEW_PAGE = f"""# Benchmarks

{BEGIN}
{END}

## Targets that are missed

Written by hand: this part of the page is kept when `scripts/bench` writes it anew.
"""

HEADER = ("", "target", "replay-archiver", "against", "ratio or worst", "")


def target_row(target):
    """A line of the issue's table."""
    sign = "≥" if target.at_least else "≤"
    unit = f" {target.unit}" if target.unit else ""
    bound = f"{sign} {number(target.bound)}{unit}"
    if target.other and not target.at_least:
        bound += f" of {target.other_name}"
    other = f"{target.other_name}: {shown(target.other)} {target.ours_unit}" if target.other else ""
    value = f"{number(target.value)}{unit}"
    ours = f"{shown(target.ours)} {target.ours_unit}"
    return target.what, bound, ours, other, value, "met" if target.met else "**missed**"


def markdown(header, rows):
    """A table of a page."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def plain(header, rows):
    """A table of a terminal."""
    rows = [[cell.replace("*", "") for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def table_of_targets(results, draw):
    """All targets of all results."""
    return draw(HEADER, [target_row(target) for result in results for target in result.targets])


def details(result, draw):
    """The figures of one experiment."""
    return draw(result.header, result.rows) if result.rows else ""


def page(results, machine, charts):
    """The generated part of the page."""
    parts = [
        "Made by `scripts/bench`. Figures are minimum / median / maximum of the counted runs. Ratios "
        "compare medians; an absolute limit is judged by the worst run. The contenders of an experiment "
        "ran in turn, A B A B, after a warm-up if the servers have anything to warm up. CPU and memory are "
        "the client's own, as the kernel "
        "counts them; servers ran beside it on the same cores.",
        markdown(("machine", ""), machine),
        "## The targets",
        table_of_targets(results, markdown),
    ]
    for result in results:
        parts += [f"## {result.title}", f"`scripts/bench {result.name}`. {result.about}".strip()]
        parts += [details(result, markdown), *result.notes]
        parts += [f"![{alt}]({file})" for name, (file, alt) in charts.items() if name in result.lines]
    return "\n\n".join(part for part in parts if part)


def write_page(path, generated):
    """Puts the generated part into the page; what stands around it stays."""
    path = Path(path)
    text = path.read_text() if path.exists() else NEW_PAGE
    if BEGIN not in text or END not in text:
        text = NEW_PAGE
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}")
