"""Families of metrics that are made at the scrape."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Rows = Iterable[tuple[tuple[str, ...], float]]


def gauge(name: str, text: str, labels: Sequence[str], rows: Rows) -> GaugeMetricFamily:
    """A gauge with one series for each row: the values of its labels, and its number."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family


def total(name: str, text: str, labels: Sequence[str], rows: Rows) -> CounterMetricFamily:
    """As `gauge`, a counter; ``_total`` is put behind its name."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, float(number))
    return family
