"""Languages: sentences, plurals, numbers and times as shoppers read them.

English stands in the code and is the key; every other language is a gettext catalogue in
`static/languages`, read once per process with no build step. `docs/languages.md` tells translators
how to mend one.

| module | for |
|---|---|
| `language` | a language: says a sentence, writes numbers, money and moments |
| `catalogues` | reads the catalogues |
| `choice` | finds the language that a browser prefers (RFC 4647) |
| `asked` | the language of a request: the shopper's choice, the browser's, the room's |
| `scripts` | the sentences of a page's scripts |
| `switch_api` | the switch that stands on every page |
"""
