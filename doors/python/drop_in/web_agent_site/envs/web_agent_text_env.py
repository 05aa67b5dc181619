from cartwright.drop_in.site import SimBrowser, SimServer, WebAgentTextEnv

__all__ = ["SimBrowser", "SimServer", "WebAgentTextEnv"]
