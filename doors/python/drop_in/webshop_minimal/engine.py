from cartwright.drop_in.site import parse_action

__all__ = ["parse_action"]
