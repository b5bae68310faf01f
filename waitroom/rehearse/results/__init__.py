"""The outcome of the played sales: figures with intervals over the seeds, tables, charts."""
