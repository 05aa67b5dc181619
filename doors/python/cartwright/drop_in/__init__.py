"""WebShop's own classes over Cartwright: what programs import from web_agent_site, webshop_minimal and verl-agent.

    stock         one shop: products, search, reward, goals before their order; shared by all servers of the process
    draws         prices, price bounds and goal orders, as each program draws them
    pages         the pages: as text, rich text, HTML, and what can be clicked on them
    site          SimServer, SimBrowser and WebAgentTextEnv of web_agent_site
    minimal       the same as webshop_minimal has them
    verl_agent    verl-agent's vector layer without actors, and its projection

The distribution cartwright-drop-in puts these under the names that programs import. They keep what the originals do where
somebody's agent could notice it, mistakes included: which exception an odd query raises, sessions that are never
forgotten, the stream of random numbers.
"""
