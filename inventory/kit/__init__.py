"""The parts that all three packages stand on.

Imports run `waitroom → checkout → inventory`, never back, so shared parts stand in the innermost
package. They know nothing of rooms, orders or stock.

| module | for |
|---|---|
| `assets` | styles and scripts, compressed once and kept in memory |
| `batcher` | one engine call for all requests of a tick |
| `cells` | spreadsheet cells that must not turn into formulas |
| `database` | the pool of connections, named queries, errors of an engine that is away |
| `http` | bodies in, JSON and problem+json out, the middleware around every request |
| `lease` | who may work on something now, and when it is tried again |
| `loops` | background loops that outlive a failed round |
| `pages` | templates in, HTML with strict headers out |
| `problem` | refusals with a stable code |
| `pulse` | counts of how fast and how well some routes answer |
| `signing` | signed strings, a key for each purpose |
| `turns` | a bound on heavy work that can wait |
"""
