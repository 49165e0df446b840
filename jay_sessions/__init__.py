"""JAY tracking sessions and a Zephr session proxy for Django sites."""

__version__ = "0.1.0"
