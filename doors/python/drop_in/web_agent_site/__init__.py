"""WebShop's web_agent_site over Cartwright: the environment, not the web site. See cartwright.drop_in."""
