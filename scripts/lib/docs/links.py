"""Where links lead: relative ones to files and headings that there are; addresses have to be well-formed."""

import os
import urllib.parse


def wrong_links(pages):
    """What is wrong with the links of pages, by path: lines for people."""
    for path, page in pages.items():
        for link in page.links:
            problem = _problem(path, link.target, pages)
            if problem:
                yield f"{path}:{link.line}: {link.target}: {problem}"


def _problem(path, target, pages):
    parts = urllib.parse.urlsplit(target)
    if parts.scheme in ("http", "https"):
        return None if parts.hostname and "." in parts.hostname or _is_local(parts) else "no host is named"
    if parts.scheme == "mailto":
        return None if "@" in parts.path else "no address is named"
    if parts.scheme or target.startswith("/"):
        return "neither an address nor a relative path"
    folder = os.path.dirname(path)
    file = os.path.normpath(os.path.join(folder, urllib.parse.unquote(parts.path))) if parts.path else path
    if file.startswith(".."):
        return "leads out of the repository"
    if not os.path.exists(file):
        return "there is no such file"
    fragment = urllib.parse.unquote(parts.fragment)
    if fragment and file in pages and fragment not in pages[file].anchors:
        return "there is no such heading"
    return None


def _is_local(parts):
    return parts.hostname in ("localhost", "127.0.0.1")
