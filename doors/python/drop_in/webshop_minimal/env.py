from cartwright.drop_in.minimal import SimServer, WebAgentTextEnv

__all__ = ["SimServer", "WebAgentTextEnv"]
