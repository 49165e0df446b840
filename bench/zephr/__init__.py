"""What the proxy for Zephr sessions costs, how well it shares calls, and what memory it needs."""
