"""What each hand-made fast path saves a request, beside the code that one would write first."""
