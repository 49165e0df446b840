"""System checks for the app's settings and for the site around it. An import registers them."""

from . import cache, database, network, partitions, proxies, settings, site, speed, zephr

__all__ = ["cache", "database", "network", "partitions", "proxies", "settings", "site", "speed", "zephr"]
