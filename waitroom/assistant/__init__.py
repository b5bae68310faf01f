"""The service as an assistant sees it: an MCP server on standard input and output.

`waitroom mcp` runs it beside the assistant, with an API key; the key's scopes are the bound of
everything here. Reading needs the scope `figures`, steering `steer`. An assistant can misread its
person, so each act of steering takes two calls: the first changes nothing and answers with what
would change and a confirmation, the second brings the confirmation and does it. A confirmation is
good once, for two minutes, for the same act, and while the room is as it was.
"""
