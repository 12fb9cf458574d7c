"""Markdown, as far as it is needed: fenced blocks with the comment above them, headings, links."""

import html
import re
from dataclasses import dataclass

FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([^\s`]*)")
COMMENT = re.compile(r"^\s*<!--\s*(.*?)\s*-->\s*$")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*<?([^\s)>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s*\[[^\]]+\]:\s+<?(\S+?)>?\s*$")
ATTRIBUTE = re.compile(r"\b(?:href|src|srcset)=\"([^\"]+)\"")
CODE = re.compile(r"(`+)(.+?)\1")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the comment directly above it, and the line it begins on."""

    language: str
    text: str
    comment: str
    line: int


@dataclass(frozen=True)
class Link:
    """Where something leads, and the line that says so."""

    target: str
    line: int


class Page:
    """What one file says."""

    def __init__(self, text):
        self.blocks, self.links, self.code, self.comments = [], [], [], set()
        self._seen = {}
        self.anchors = set()
        self._read(text.split("\n"))

    def _read(self, lines):
        number, comment = 0, ""
        while number < len(lines):
            line = lines[number]
            fence = FENCE.match(line)
            if fence:
                number = self._block(lines, number, fence, comment)
            else:
                self._prose(line, number + 1)
                number += 1
            found = COMMENT.match(line)
            comment = found.group(1) if found else ""
            self.comments.add(comment)

    def _block(self, lines, begin, fence, comment):
        indent, marks, language = len(fence.group(1)), fence.group(2), fence.group(3)
        body, number = [], begin + 1
        while number < len(lines) and lines[number].strip() != marks:
            body.append(lines[number][min(indent, len(lines[number]) - len(lines[number].lstrip())) :])
            number += 1
        self.blocks.append(Block(language, "\n".join(body) + "\n", comment, begin + 1))
        return number + 1

    def _prose(self, line, number):
        heading = HEADING.match(line)
        if heading:
            self._anchor(heading.group(2))
        self.anchors.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
        self.code += [Link(code.strip(), number) for _, code in CODE.findall(line)]
        line = CODE.sub(lambda code: "x" * len(code.group(0)), line)
        reference = REFERENCE.match(line)
        found = [reference.group(1)] if reference else [target for _, target in LINK.findall(line)]
        # A picture may be within a link.
        found += [target for text, _ in LINK.findall(line) for _, target in LINK.findall(text)]
        found += ATTRIBUTE.findall(line)
        self.links += [Link(html.unescape(target), number) for target in found]

    def _anchor(self, heading):
        name = anchor(heading)
        count = self._seen.get(name, 0)
        self._seen[name] = count + 1
        self.anchors.add(f"{name}-{count}" if count else name)


def anchor(heading):
    """The anchor that GitHub gives to a heading."""
    text = LINK.sub(lambda link: link.group(1), heading)
    text = html.unescape(text).lower().replace("`", "")
    text = "".join(mark for mark in text if mark.isalnum() or mark in " -_")
    return text.strip().replace(" ", "-")
