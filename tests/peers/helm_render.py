"""Run by the Python of the tools: lints and renders a chart by Helm's own library, as JSON.

python helm_render.py CHART < values.json
"""

import json
import sys

from helm_python.chart import Chart, lint


def main() -> None:
    chart, values = sys.argv[1], json.load(sys.stdin)
    told = lint(chart, values, strict=True)
    json.dump(
        {
            "lint": [one for one in told["messages"] if one["severity"] > 1] + told["errors"],
            "manifests": Chart.load(chart).render(values, name="sale", namespace="shop"),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
