"""Registers WebAgentTextEnv-v0 with gym, where gym is installed."""

from cartwright.drop_in.site import WebAgentTextEnv

__all__ = ["WebAgentTextEnv"]

try:
    from gym.envs.registration import register
except ImportError:
    pass
else:
    register(id="WebAgentTextEnv-v0", entry_point="web_agent_site.envs:WebAgentTextEnv")
