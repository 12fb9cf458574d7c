"""Line charts as SVG."""

from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 50, 76, 76
COLOURS = ("#0b7285", "#c2410c", "#6741d9", "#5c7a0b")


class Axis:
    """Where the values of one axis lie, between two places of the picture."""

    def __init__(self, start, end, least, most):
        self.start, self.end, self.least, self.most = start, end, least, most

    def at(self, value):
        """The place of a value."""
        share = (value - self.least) / ((self.most - self.least) or 1)
        return self.start + share * (self.end - self.start)


def steps(most):
    """Round values from 0 to a little over `most`."""
    step = next(step for step in rounds() if most / step <= 8)
    return [step * count for count in range(int(most // step) + 2)]


def rounds():
    """1, 2, 5, 10, 20, 50 and so on."""
    ten = 1
    while True:
        yield from (ten, 2 * ten, 5 * ten)
        ten *= 10


def chart(title, x_title, y_title, labels, lines, limits=()):
    """A chart. `labels` name the places of the x axis, evenly spaced; each line is its name and a value
    for each place; each limit its name and a value, drawn dashed."""
    most = max([value for _, values in lines for value in values] + [value for _, value in limits])
    marks = steps(most)
    x = Axis(LEFT, WIDTH - RIGHT, 0, max(len(labels) - 1, 1))
    y = Axis(HEIGHT - BOTTOM, TOP, 0, marks[-1])
    parts = [text(LEFT, 26, title, size=16, weight="bold")]
    parts += [grid(y.at(mark), mark) for mark in marks]
    parts += [text(x.at(place), HEIGHT - BOTTOM + 34, label, anchor="middle") for place, label in enumerate(labels)]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_title, anchor="middle"))
    parts.append(text(LEFT, TOP - 22, y_title))
    parts += [limit(y.at(value), name) for name, value in limits]
    for number, (name, values) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        places = [(x.at(place), y.at(value)) for place, value in enumerate(values)]
        parts.append(line(places, values, colour, -9 if number or limits else 20))
        parts.append(legend(number, name, colour))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="#222">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def text(x, y, words, anchor="start", size=13, weight="normal", colour="#222"):
    """Words at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" fill="{colour}">{escape(str(words))}</text>'
    )


def grid(y, mark):
    """A line across, with its value."""
    across = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
    return across + text(LEFT - 8, y + 4, f"{mark:g}", anchor="end")


def limit(y, name):
    """A limit across."""
    across = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#b91c1c" stroke-dasharray="6 4"/>'
    return across + text(WIDTH / 2, y + 18, name, anchor="middle", colour="#b91c1c")


def line(places, values, colour, beside):
    """The values, joined, each with its number above or below it."""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts = [f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>']
    for (x, y), value in zip(places, values):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        shown = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
        parts.append(text(x, y + beside, shown, anchor="middle", size=12, colour=colour))
    return "\n".join(parts)


def legend(number, name, colour):
    """What a colour stands for."""
    x = LEFT + 120 + 170 * number
    return f'<circle cx="{x}" cy="{TOP - 26}" r="5" fill="{colour}"/>' + text(x + 10, TOP - 22, name)
