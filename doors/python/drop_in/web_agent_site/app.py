"""The web site: `python -m web_agent_site.app [--log] [--attrs]`. See cartwright.drop_in.web."""

from cartwright.drop_in.web import Site, main

__all__ = ["Site", "main"]

if __name__ == "__main__":
    main()
