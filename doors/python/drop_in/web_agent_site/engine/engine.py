"""The names of web_agent_site.engine.engine that agents import."""

from cartwright.drop_in.pages import BACK_TO_SEARCH, END_BUTTON, NEXT_PAGE, PREV_PAGE
from cartwright.drop_in.site import parse_action

__all__ = ["BACK_TO_SEARCH", "END_BUTTON", "NEXT_PAGE", "PREV_PAGE", "parse_action"]
