"""The interface of insights-analytics-collector on footfall: change the import to this package, and keep the code.

    from footfall.facade.insights import Collector, CsvFileSplitter, Package, register

    @register("instance_info", "1.0")
    def instance_info(since, until, **kwargs):
        return {"nodes": 3}

Django is not needed, and does no harm. What is gathered and how it is packed is `footfall.collect`'s work; here are the
names, the arguments and the methods to override. ``docs/insights.md`` has one row for each name: the same, repaired,
or not offered, and why.
"""

from footfall.facade.insights.collection import CollectionCSV, CollectionJSON
from footfall.facade.insights.collector import Collector
from footfall.facade.insights.csv_file_splitter import CsvFileSplitter
from footfall.facade.insights.decorators import register, slicing
from footfall.facade.insights.package import Package

__all__ = [
    "CollectionCSV",
    "CollectionJSON",
    "Collector",
    "CsvFileSplitter",
    "Package",
    "register",
    "slicing",
]
