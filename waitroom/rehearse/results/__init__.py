"""The outcome of the simulated sales: figures with intervals over the seeds, tables, charts."""
