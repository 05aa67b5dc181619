"""WebShop's pages. A page is made from what the server knows at that moment and does not change afterwards. It is read in
four ways: as a list of visible texts (the observations ``text`` and ``text_rich``), as what can be clicked, and as HTML
whose texts and elements come in the original's order."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Iterator
from urllib.parse import quote

from .stock import Product, Stock

BACK_TO_SEARCH, NEXT_PAGE, PREV_PAGE, END_BUTTON = "Back to Search", "Next >", "< Prev", "Buy Now"
SUB_PAGES = ("Description", "Features", "Reviews", "Attributes")
ITEMS_PER_PAGE = 10
SEPARATOR = " [SEP] "

PLAIN, BUTTON, ITEM, OPTION = range(4)

SPACES = " \t\n\r\f\v"


def shown(text: str) -> str | None:
    """A text as HTML parsing leaves it: nothing when it is empty or breaks a line only, a blank for other spaces."""
    if not text:
        return None
    if text[0] not in SPACES or text.strip(SPACES):
        return text
    return None if "\n" in text else " "


def address(path: str = "/", **parameters: Any) -> str:
    """The address that a form or link of the simulated site leads to."""
    pairs = []
    for name, value in parameters.items():
        for each in value if isinstance(value, list) else [value]:
            pairs.append(f"{name}={quote(str(each), safe=chr(32) + '~$!()*,;' + chr(39)).replace(' ', '+')}")
    return path + "?" + "&".join(pairs)


class Links:
    """Where the forms and links of the simulated site lead to. web.py has those of the real one."""

    def index(self, session: str) -> str:
        return address(session_id=session)

    def results(self, session: str, keywords: Any, page: Any) -> str:
        return address(session_id=session, keywords=keywords, page=page)

    def item(self, session: str, asin: str, keywords: Any, page: Any, options: dict[str, str]) -> str:
        return address(session_id=session, asin=asin, keywords=keywords, page=page, options=options)

    def sub_page(self, session: str, asin: str, keywords: Any, page: Any, name: str, options: dict[str, str]) -> str:
        return address(session_id=session, asin=asin, keywords=keywords, page=page, sub_page=name, options=options)

    def done(self, session: str, asin: str, options: dict[str, str]) -> str:
        return address(session_id=session, asin=asin, options=options)


def _form(action: str, label: str, extra: str = "") -> str:
    return (f'<form{extra} action="{escape(action)}" method="post">'
            f'<button type="submit" class="btn">{escape(label)}</button></form>')


class Page:
    """What all pages have. ``session`` is the session's name, ``instruction`` the task."""

    has_search_bar = False
    links = Links()

    def __init__(self, session: str, instruction: str):
        self.session, self.instruction = session, instruction
        self._text: str | None = None
        self._clickables: dict[str, dict[str, Any]] | None = None

    def nodes(self) -> Iterator[tuple[int, str]]:
        """The visible texts in order, each with what it is."""
        raise NotImplementedError

    def body(self) -> str:
        raise NotImplementedError

    @property
    def html(self) -> str:
        return f"<!DOCTYPE html><html><body>{self.body()}</body></html>"

    def instruction_text(self) -> str:
        return "Instruction:" + self.instruction

    @property
    def text(self) -> str:
        if self._text is None:
            pieces = [shown(text) for _, text in self.nodes()]
            self._text = SEPARATOR.join([piece.strip() for piece in pieces if piece is not None])
        return self._text

    def rich_text(self, visited: Any, url: str) -> str:
        """A line for each text; buttons are marked, those already clicked too: products in ``visited``, options that
        the address names in double quotes."""
        lines, clicked = [], []
        for kind, text in self.nodes():
            piece = shown(text)
            if piece is None:
                continue
            if kind == BUTTON:
                piece = f"[button] {piece} [button_]"
            elif kind == OPTION:
                if f'"{piece}"' in url:
                    clicked.append(f"You have clicked {piece}.\n")
                    piece = f"  [clicked button] {piece} [clicked button_]"
                else:
                    piece = f"  [button] {piece} [button_]"
            elif kind == ITEM:
                piece = (f"\n[clicked button] {piece} [clicked button_]" if piece in visited
                         else f"\n[button] {piece} [button_]")
            lines.append(piece + "\n")
        return "".join(clicked[::-1]) + "".join(lines)

    @property
    def clickables(self) -> dict[str, dict[str, Any]]:
        """What a click may name: buttons, then products, then options; a name that comes twice keeps its first place
        and its last meaning."""
        if self._clickables is None:
            buttons, items, options = {}, {}, {}
            for kind, text in self.nodes():
                if kind == BUTTON:
                    buttons[text.lower()] = {"class": ["btn"], "type": "submit"}
                elif kind == ITEM:
                    items[text.lower()] = {"class": ["product-link"]}
            for name, value in self.radios():
                options[value] = {"name": name, "type": "radio", "value": value}
            buttons.update(items)
            buttons.update(options)
            self._clickables = buttons
        return self._clickables

    def radios(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def _head(self) -> Iterator[tuple[int, str]]:
        yield PLAIN, "Instruction:"
        yield PLAIN, self.instruction
        yield BUTTON, BACK_TO_SEARCH

    def _head_html(self) -> str:
        return (f'<div id="instruction-text"><h4>Instruction:<br>{escape(self.instruction)}</h4></div>'
                + _form(self.links.index(self.session), BACK_TO_SEARCH))


class SearchPage(Page):
    has_search_bar = True

    def instruction_text(self) -> str:
        return "Instruction: " + self.instruction

    def nodes(self) -> Iterator[tuple[int, str]]:
        yield PLAIN, "WebShop"
        yield PLAIN, "Instruction: "
        yield PLAIN, self.instruction
        yield BUTTON, "Search"

    def body(self) -> str:
        action = escape(self.links.index(self.session))
        return (f'<div id="logo"><h2>WebShop</h2></div><div id="instruction-text">'
                f"<h4>Instruction: <br>{escape(self.instruction)}</h4></div>"
                f'<form id="form-buscar" action="{action}" method="post">'
                '<input id="search_input" name="search_query" type="text" placeholder="Search...">'
                '<button type="submit" class="btn">Search</button></form>')


class ResultsPage(Page):
    def __init__(self, session: str, instruction: str, stock: Stock, keywords: list[str], page: int,
                 products: list[Product], total: int):
        super().__init__(session, instruction)
        self.stock, self.keywords, self.page, self.products, self.total = stock, keywords, page, products, total

    @property
    def title(self) -> str:
        return f"Page {self.page} (Total results: {self.total})"

    def nodes(self) -> Iterator[tuple[int, str]]:
        yield from self._head()
        yield PLAIN, self.title
        if self.page > 1:
            yield BUTTON, PREV_PAGE
        yield BUTTON, NEXT_PAGE
        for product in self.products:
            yield ITEM, product.asin
            yield PLAIN, product.title
            yield PLAIN, product.price

    @property
    def text(self) -> str:
        if self._text is None:
            parts = ["Instruction:", *([self.instruction.strip()] if shown(self.instruction) else []), BACK_TO_SEARCH,
                     self.title]
            if self.page > 1:
                parts.append(PREV_PAGE)
            parts.append(NEXT_PAGE)
            for product in self.products:
                if product.result_text is None:
                    pieces = map(shown, (product.asin, product.title, product.price))
                    product.result_text = SEPARATOR.join([p.strip() for p in pieces if p is not None])
                parts.append(product.result_text)
            self._text = SEPARATOR.join(parts)
        return self._text

    def body(self) -> str:
        def turn(page: int, label: str) -> str:
            return _form(self.links.results(self.session, self.keywords, page), label)

        parts = [self._head_html(), f"<h3>{escape(self.title)}</h3>"]
        if self.page > 1:
            parts.append(turn(self.page - 1, PREV_PAGE))
        parts.append(turn(self.page + 1, NEXT_PAGE))
        for product in self.products:
            link = self.links.item(self.session, product.asin, self.keywords, self.page, {})
            parts.append(
                f'<div><img src="{escape(self.stock.image(product.asin))}"><h4><a href="{escape(link)}" '
                f'class="product-link">{escape(product.asin)}</a>\n<h4 class="product-title">{escape(product.title)}'
                f'\n\n<h5 class="product-price">{escape(product.price)}</h5></h4></h4></div>')
        return "".join(parts)


class ItemPage(Page):
    def __init__(self, session: str, instruction: str, stock: Stock, product: Product, keywords: list[str], page: int,
                 options: dict[str, str], show_attributes: bool):
        super().__init__(session, instruction)
        self.stock, self.product, self.keywords, self.page = stock, product, keywords, page
        self.options, self.show_attributes = dict(options), show_attributes

    @property
    def sub_pages(self) -> tuple[str, ...]:
        return SUB_PAGES if self.show_attributes else SUB_PAGES[:3]

    def nodes(self) -> Iterator[tuple[int, str]]:
        yield from self._head()
        yield BUTTON, PREV_PAGE
        for name, values in self.product.options.items():
            yield PLAIN, name
            for value in values:
                yield OPTION, value
        yield PLAIN, self.product.title
        yield PLAIN, "Price: " + self.product.price
        yield PLAIN, "Rating: N.A."
        for name in self.sub_pages:
            yield BUTTON, name
        yield BUTTON, END_BUTTON

    def radios(self) -> Iterator[tuple[str, str]]:
        for name, values in self.product.options.items():
            for value in values:
                yield name, value

    @property
    def text(self) -> str:
        if self._text is None:
            product = self.product
            if product.item_text is None:
                pieces = []
                for name, values in product.options.items():
                    pieces.append(name)
                    pieces.extend(values)
                pieces += [product.title, "Price: " + product.price]
                product.item_text = SEPARATOR.join([p.strip() for p in map(shown, pieces) if p is not None])
            parts = ["Instruction:", *([self.instruction.strip()] if shown(self.instruction) else []), BACK_TO_SEARCH,
                     PREV_PAGE, product.item_text, "Rating: N.A.", *self.sub_pages, END_BUTTON]
            self._text = SEPARATOR.join(parts)
        return self._text

    def body(self) -> str:
        asin = self.product.asin
        here = self.session, asin, self.keywords, self.page
        parts = [self._head_html(),
                 _form(self.links.results(self.session, self.keywords, self.page), PREV_PAGE),
                 f'<img id="product-image" src="{escape(self.stock.image(asin))}">']
        for name, values in self.product.options.items():
            parts.append(f'<h4>{escape(name)}</h4><div class="radio-toolbar">')
            for i, value in enumerate(values):
                link = self.links.item(*here, {**self.options, name: value})
                parts.append(
                    f'<input type="radio" id="{escape(f"radio_{name}{i}")}" name="{escape(name)}" '
                    f'value="{escape(value)}" data-url="{escape(link)}">'
                    f'<label for="{escape(f"radio_{name}{i}")}">{escape(value)}</label>')
            parts.append("</div>")
        parts.append(f"<h2>{escape(self.product.title)}</h2><h4>Price: {escape(self.product.price)}</h4>"
                     "<h4>Rating: N.A.</h4>")
        for name in self.sub_pages:
            parts.append(_form(self.links.sub_page(*here, name, self.options), name))
        parts.append(_form(self.links.done(self.session, asin, self.options), END_BUTTON))
        return "".join(parts)


class SubPage(Page):
    def __init__(self, session: str, instruction: str, product: Product, name: str, keywords: list[str], page: int,
                 options: dict[str, str]):
        super().__init__(session, instruction)
        self.product, self.name, self.keywords, self.page = product, name, keywords, page
        self.options = dict(options)

    def paragraphs(self) -> list[str]:
        product = self.product
        if self.name == "Description":
            return [product.description]
        if self.name == "Features":
            return [" " + bullet for bullet in product.bullets]
        if self.name == "Attributes":
            return [*(" " + attribute for attribute in product.attributes), product.category, product.query,
                    product.product_category]
        return []  # no reviews are loaded

    def nodes(self) -> Iterator[tuple[int, str]]:
        yield from self._head()
        yield BUTTON, PREV_PAGE
        for text in self.paragraphs():
            yield PLAIN, text

    def body(self) -> str:
        back = self.links.item(self.session, self.product.asin, self.keywords, self.page, self.options)
        texts = self.paragraphs()
        tags = ['p class="product-info"'] * len(texts)
        if self.name == "Attributes":
            n = len(self.product.attributes)
            tags = ['p class="attribute"'] * n + ["h5"] * (len(texts) - n)
        shown = "".join(f"<{tag}>{escape(text)}</{tag.split()[0]}>" for tag, text in zip(tags, texts))
        return self._head_html() + _form(back, PREV_PAGE) + shown


UNSAID = {"code": "None", "attrs": "None", "category": "None", "query": "None", "product category": "None"}
GOAL = ("asin", "options", "attrs", "price upper", "instuction text", "category", "product category", "query")


class DonePage(Page):
    """In the simulation the original fills in the ASIN, the options and the reward, and leaves the rest empty; the site
    fills in everything: ``purchase`` what UNSAID names, ``goal`` what GOAL names, ``whole`` goal and reward in full."""

    def __init__(self, session: str, instruction: str, asin: str, options: dict[str, str], reward: float,
                 purchase: dict[str, str] = UNSAID, goal: dict[str, str] | None = None,
                 whole: tuple[str, str] = ("None", "None")):
        super().__init__(session, instruction)
        text = json.dumps(options, sort_keys=True)
        for character in "<>&'":
            text = text.replace(character, f"\\u{ord(character):04x}")
        self.asin, self.options, self.reward, self.purchase, self.whole = asin, text, str(reward), purchase, whole
        self.goal = goal or dict.fromkeys(GOAL, "")

    def instruction_text(self) -> str:
        raise AttributeError("'NoneType' object has no attribute 'h4'")  # as reading the missing heading does

    def nodes(self) -> Iterator[tuple[int, str]]:
        bought = self.purchase
        texts = ["Thank you for shopping with us!", "Your code: ", bought["code"], " (Paste it in your MTurk interface.)",
                 "Purchased", "asin", self.asin, "options", self.options]
        for name in ("attrs", "category", "query", "product category"):
            texts += [name, bought[name]]
        texts.append("Target")
        for name in GOAL:
            texts += [name, *([self.goal[name]] if self.goal[name] else [])]
        texts += ["Goal ", self.whole[0], "Reward", "Your score (min 0.0, max 1.0)", self.reward, "Reward Details ",
                  self.whole[1]]
        return ((PLAIN, text) for text in texts)

    def body(self) -> str:
        def entry(identity: str, label: str, value: str) -> str:
            return f'<h4 id="{identity}">{label}<pre>{escape(value)}</pre></h4>'

        goal, bought = self.goal, self.purchase
        target = "\n".join(entry(f"goal-{identity}", label, goal[label]) for identity, label in zip(
            ("options", "attrs", "price", "instruction-text", "category", "pc", "query"), GOAL[1:]))
        target = (f'<h4 id="goal-asin">asin<pre>{escape(goal["asin"])}</pre>\n{target}\n<h4>Goal <div id="goal"><pre>'
                  f"{escape(self.whole[0])}</pre></div></h4>\n<h2>Reward</h2></h4>")
        purchased = "\n".join((entry("options", "options", self.options),
                               entry("purchased_attrs", "attrs", bought["attrs"]),
                               entry("purchased-category", "category", bought["category"]),
                               entry("purchased-query", "query", bought["query"]),
                               entry("purchased-pc", "product category", bought["product category"])))
        return ('<div id="thankyou"><h1>Thank you for shopping with us!</h1></div><div id="stats">'
                f'<h3>Your code: </h3><pre>{bought["code"]}</pre> (Paste it in your MTurk interface.)<h2>Purchased</h2>'
                f'<h4 id="asin">asin<pre>{escape(self.asin)}</pre>\n{purchased}\n<h2>Target</h2>\n<div>\n{target}</div>'
                f'</h4><h3 id="reward">Your score (min 0.0, max 1.0)<pre>{self.reward}</pre></h3><h4>Reward Details '
                f'<div id="reward_info"><pre>{escape(self.whole[1])}</pre></div></h4></div>')
