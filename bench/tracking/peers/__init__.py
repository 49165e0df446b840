"""The same two endpoints as others would write them; each is a program of its own."""
