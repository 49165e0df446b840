"""The contract as an OpenAPI document, for sites with drf-spectacular."""
