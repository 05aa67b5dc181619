"""webshop_minimal's environment: one server for the whole process, resets that return Markdown, and what a purchase was
worth as the fourth value of a step."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from typing import Any

from . import site

_files = {"file": "", "attr": ""}


def init_basedir(dataset: str = "small") -> None:
    """Chooses the files: ``small`` the 1,000 products, ``full`` all. They are looked for in $WEBSHOP_DATA (else ./data),
    in a folder ``small`` or ``full`` there if it exists."""
    if dataset not in ("small", "full"):
        raise ValueError("dataset must be either 'small' or 'full'")
    folder = site.data_folder()
    if os.path.isdir(os.path.join(folder, dataset)):
        folder = os.path.join(folder, dataset)
    suffix = "_1000" if dataset == "small" else ""
    _files["file"] = os.path.join(folder, f"items_shuffle{suffix}.json")
    _files["attr"] = os.path.join(folder, f"items_ins_v2{suffix}.json")


def get_file_path() -> str:
    return _files["file"]


def get_attr_path() -> str:
    return _files["attr"]


class SimServer(site.SimServer):
    """The first that is made serves every later constructor, whatever those ask for."""

    _instance: SimServer | None = None

    def __new__(cls, *arguments: Any, **options: Any) -> SimServer:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __init__(self, *arguments: Any, **options: Any):
        if "user_sessions" in vars(self):
            return
        try:
            super().__init__(*arguments, **options)
        except BaseException:
            type(self)._instance = None
            raise


class WebAgentTextEnv(site.WebAgentTextEnv):
    _protocol = "minimal"
    _server_class = SimServer

    def __init__(self, observation_mode: str = "html", file_path: str | None = None, server: Any = None, **kwargs: Any):
        kwargs.setdefault("protocol", "minimal")
        super().__init__(observation_mode, file_path or _files["file"] or None, None, server, **kwargs)

    def _info(self, status: dict[str, Any]) -> Any:
        return status.get("info")

    def reset(self, session: Any = None, instruction_text: str | None = None) -> tuple[str, None]:
        observation, _ = super().reset(session, instruction_text)
        return html_to_markdown(observation), None


class _Tree(HTMLParser):
    """Elements in document order, each with its texts."""

    VOID = {"input", "img", "br", "hr", "meta", "link"}
    HIDDEN = {"script", "style"}

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str], list[str]]] = []  # tag, attributes, texts, ancestors
        self._open: list[int] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        ancestors = [self.elements[i][0] for i in self._open]
        self.elements.append((tag, dict(attrs), [], ancestors))
        if tag not in self.VOID:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        for k in range(len(self._open) - 1, -1, -1):
            if self.elements[self._open[k]][0] == tag:
                del self._open[k:]
                return

    def handle_data(self, data: str) -> None:
        if any(self.elements[i][0] in self.HIDDEN for i in self._open):
            return
        for i in self._open:
            self.elements[i][2].append(data)


def _text(element: Any) -> str:
    return "".join(piece.strip() for piece in element[2]) if element[0] == "li" else "".join(element[2]).strip()


def html_to_markdown(html: str) -> str:
    """Headings by their level, then paragraphs, links, fields and lists; any other text is left out."""
    tree = _Tree()
    tree.feed(html)
    elements = tree.elements
    parts = []
    for level in range(1, 7):
        parts += [f"{'#' * level} {_text(e)}" for e in elements if e[0] == f"h{level}"]
    parts += [_text(e) for e in elements if e[0] == "p"]
    parts += [f"[{_text(e)}]({e[1].get('href', '')})" for e in elements if e[0] == "a"]
    parts += [f"[{e[1].get('placeholder', 'Input')}]" for e in elements if e[0] == "input"]
    for tag in ("ul", "ol"):
        for i, element in enumerate(elements):
            if element[0] == tag:
                items = _items(elements, i)
                parts.append("\n".join(f"{'*' if tag == 'ul' else f'{n}.'} {_text(e)}" for n, e in enumerate(items, 1)))
    return "\n\n".join(parts)


def _items(elements: list[Any], i: int) -> list[Any]:
    """The list items inside element i, those of inner lists too."""
    depth = len(elements[i][3])
    inside = []
    for element in elements[i + 1:]:
        if len(element[3]) <= depth:
            break
        if element[0] == "li":
            inside.append(element)
    return inside
