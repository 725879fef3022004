"""Structured output: a JSON schema, a regular expression or a grammar that every token has to obey."""
