"""How many sessions a second the site starts and reads, beside the stacks that others would build it with."""
