"""Collectors: functions that are asked for an interval of time, and what becomes of their answers.

Answers become packages, packages become tarballs (`tarball`), and those are handed to a `shipping.Shipper`, which keeps
and delivers them. Nothing in here touches the network.
"""
