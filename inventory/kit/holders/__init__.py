"""The holder of a token, a browser or an app, and whether a request comes from it.

| module | for |
|---|---|
| `marks` | the mark of a holder, and signed text with a mark in it; pure |
| `holders` | the secrets of a holder that a request shows |
"""
