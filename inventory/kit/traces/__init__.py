"""Traces of requests, batches, ticks, acts at the gateway and statements, by OpenTelemetry.

| module | holds |
|---|---|
| `spans` | the switch, and what code calls that has something to tell |
| `tracer` | the spans themselves; it imports OpenTelemetry, only where traces are wanted |

Off, a span is a comparison, and neither a middleware nor a watch on connections is there.
A request has one span, named by its route and never by its path: tickets may stand in that.
A batch serves many requests, so it has a trace of its own, and its statements stand there.
Statements are told by the names that they have in `queries.sql`, without values. Of an error its
kind is told alone. No span holds a name, an address, a token or a key.
"""
