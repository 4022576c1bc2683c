"""The destinations of the wires that ship with footfall, as a registry's ``send_to`` names them.

    send_to=[footfall.Migas("https://migas.example.org"), footfall.Otlp("http://localhost:4318")]
    send_to=[footfall.Access("https://tracking.example.org/api", services="intake_catalog")]

An option that has its default is not written down, so that `Migas(url)` and ``{wire: migas, endpoint: url}`` in a file
are one destination with one account.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

from footfall.destination import Destination, InDoubt, check
from footfall.errors import ConfigurationError, NotOfferedError

Dialect = Literal["rest", "graphql"]
Compression = Literal["gzip", "none"]
Protocol = Literal["http", "grpc"]
Auth = Literal["user-pass", "identity", "mutual-tls", "s3", "headers"]

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


def Access(  # noqa: N802  reads as what it makes, like a class
    endpoint: str,
    *,
    services: str | Sequence[str] = (),
    headers: Mapping[str, str] = NO_HEADERS,
    credentials: str = "",
    insecure: bool = False,
    in_doubt: InDoubt = "",
) -> Destination:
    """Return a tracking service of ACCESS-NRI's kind as destination.

    Args:
        endpoint: Base URL of the service, such as ``https://host/api``; the endpoint of each record's service of the
            registry is appended to it.
        services: Only records of this service, or of these, go there: services with headers or credentials of their
            own are destinations of their own. Empty: all records.
        headers: Further headers of each request, plain ones only, for they are kept on disk; ``Content-Type`` replaces
            ``application/json``.
        credentials: ``env:NAME`` or ``file:/path``, holding header lines such as ``Authorization: Bearer ...``.
        insecure: Allow plain http to another machine.
        in_doubt: What to do after a request without an answer; "" retries, although a record has no id of its own by
            which a server could tell the second copy from the first.

    Raises:
        ConfigurationError: The endpoint cannot be sent to, or an option is not offered.
    """
    options: dict[str, str | int | float | bool] = {}
    if headers:
        from footfall.wire import access_headers  # noqa: PLC0415  few have any, and `import footfall` stays light

        options["headers"] = access_headers.as_text(headers)
    return _checked(
        "access",
        endpoint,
        options,
        credentials=credentials,
        insecure=insecure,
        in_doubt=in_doubt,
        services=_services(services),
    )


def Insights(  # noqa: N802  reads as what it makes, like a class
    endpoint: str,
    *,
    auth: Auth = "user-pass",
    content_type: str = "",
    certificate: str = "",
    private_key: str = "",
    ca_file: str = "",
    region: str = "",
    run_seconds: float = 300.0,
    credentials: str = "",
    insecure: bool = False,
    in_doubt: InDoubt = "",
) -> Destination:
    """Return an insights server as destination: uses become tables in tarballs.

    Args:
        endpoint: The URL that is posted to, such as ``https://host/api/ingress/v1/upload``; ``/upload`` may be left out
            and is appended. A bare host gets the path of the public service. For ``s3``, bucket and prefix.
        auth: What the credentials are: ``user-pass``, a text ``user:password``; ``identity``, the JSON of an
            ``x-rh-identity``; ``mutual-tls``, none but *certificate*; ``s3``, a text ``access key:secret key``, for
            which the extra ``insights-s3`` signs; ``headers``, header lines, as for other wires.
        content_type: Names the service and the category of the uploads; "" takes
            ``application/vnd.redhat.footfall.spans+tgz``.
        certificate: Path of a client certificate (PEM), read at send time.
        private_key: Path of its key; "" where it is in the same file.
        ca_file: Path of further certificates to trust for this server (PEM).
        region: Of the bucket; "" takes ``us-east-1``.
        run_seconds: How long uses wait for more of them, so that one upload tells of many; draining does not wait.
        credentials: ``env:NAME`` or ``file:/path``.
        insecure: Allow plain http to another machine.
        in_doubt: What to do after a request without an answer; "" retries, and a second copy overwrites the first.

    Raises:
        ConfigurationError: The endpoint cannot be sent to, or an option is not offered.
        NotOfferedError: ``s3`` without the extra.
    """
    from footfall.wire.insights import InsightsWire  # noqa: PLC0415  only for those who have such a server

    if auth == "s3" and importlib.util.find_spec("botocore") is None:
        msg = "insights: auth 's3' needs the package boto3; run: pip install footfall[insights-s3]"
        raise NotOfferedError(msg)
    given = {"content_type": content_type, "certificate": certificate, "private_key": private_key}
    given |= {"ca_file": ca_file, "region": region}
    options: dict[str, str | int | float | bool] = {name: value for name, value in given.items() if value}
    if auth != "headers":
        options["auth"] = auth
    if run_seconds != 300.0:
        options["run_seconds"] = run_seconds
    InsightsWire(**cast("dict[str, Any]", options))  # it checks its own options
    return _checked("insights", endpoint, options, credentials=credentials, insecure=insecure, in_doubt=in_doubt)


def Migas(  # noqa: N802  reads as what it makes, like a class
    endpoint: str,
    *,
    dialect: Dialect = "rest",
    wait: bool = False,
    credentials: str = "",
    insecure: bool = False,
    in_doubt: InDoubt = "",
) -> Destination:
    """Return a migas server as destination.

    Args:
        endpoint: Base URL; a final ``/graphql``, as in settings of the original client, is cut off.
        dialect: ``rest``, or ``graphql`` for servers before the REST interface.
        wait: REST only: ask the server to store before it answers, so that what its database refuses is counted.
        credentials: ``env:NAME`` or ``file:/path``; migas itself asks for none.
        insecure: Allow plain http to another machine.
        in_doubt: What to do after a request without an answer; "" retries, since one crumb too many does less harm
            than one too few.

    Raises:
        ConfigurationError: The endpoint cannot be sent to, or an option is not offered.
    """
    _one_of("migas", "dialect", dialect, get_args(Dialect))
    options: dict[str, str | int | float | bool] = {}
    if dialect != "rest":
        options["dialect"] = dialect
    if wait:
        options["wait"] = True
    return _checked("migas", endpoint, options, credentials=credentials, insecure=insecure, in_doubt=in_doubt)


def Otlp(  # noqa: N802  reads as what it makes, like a class
    endpoint: str,
    *,
    credentials: str = "",
    insecure: bool = False,
    protocol: Protocol = "http",
    compression: Compression = "gzip",
    addressed: bool = False,
    in_doubt: InDoubt = "",
) -> Destination:
    """Return an OTLP receiver, such as an OpenTelemetry Collector, as destination.

    Args:
        endpoint: Base URL; a final ``/v1/traces`` or ``/v1/logs`` is cut off, for both are used.
        credentials: ``env:NAME`` or ``file:/path``, holding a header line such as ``Authorization: Bearer ...``.
        insecure: Allow plain http to another machine.
        protocol: ``http``, or ``grpc``, which the extra ``otlp`` brings. Receivers have a port for each: 4318 and 4317.
        compression: Of bodies: ``gzip`` or ``none``.
        addressed: Carry along what is meant for one server only (`Usage.extra`): for a receiver that is a footfall
            gateway, or a Collector that feeds nothing but one.
        in_doubt: What to do after a request without an answer; "" retries.

    Raises:
        ConfigurationError: The endpoint cannot be sent to, or an option is not offered.
        NotOfferedError: ``grpc`` without the extra.
    """
    _one_of("otlp", "compression", compression, get_args(Compression))
    _one_of("otlp", "protocol", protocol, get_args(Protocol))
    if protocol == "grpc" and importlib.util.find_spec("h2") is None:
        msg = "otlp: protocol 'grpc' needs the package h2; run: pip install footfall[otlp]"
        raise NotOfferedError(msg)
    options: dict[str, str | int | float | bool] = {} if compression == "gzip" else {"compression": compression}
    if protocol != "http":
        options["protocol"] = protocol
    if addressed:
        options["addressed"] = True
    return _checked("otlp", endpoint, options, credentials=credentials, insecure=insecure, in_doubt=in_doubt)


def Ramen(  # noqa: N802  reads as what it makes, like a class
    endpoint: str,
    *,
    system_serial: int,
    sender: str = "",
    system_version: str = "",
    rule_ttl: float = 3600.0,
    credentials: str = "",
    insecure: bool = False,
    in_doubt: InDoubt = "",
) -> Destination:
    """Return a ramen server as destination, for one system.

    Args:
        endpoint: Base URL; a final ``/ramen/v1`` is cut off.
        system_serial: Agreed with the server; an integer from 0. Two systems with the same would be one to it.
        sender: Letters, digits, ``_`` and ``-``; "" takes the repository part of the project.
        system_version: The same and ``.``; "" takes the version of the project.
        rule_ttl: Seconds for which a drop rule of the server holds, 1 to 86 400.
        credentials: ``env:NAME`` or ``file:/path``, holding the header line ``X-API-Token: ...``.
        insecure: Allow plain http to another machine.
        in_doubt: What to do after a request without an answer; "" retries, and the server knows it by its URL.

    Raises:
        ConfigurationError: The endpoint cannot be sent to, or an option is not offered.
    """
    from footfall.wire.ramen import RamenWire  # noqa: PLC0415  only for those who have such a server

    # It checks its own options.
    RamenWire(system_serial=system_serial, sender=sender, system_version=system_version, rule_ttl=rule_ttl)
    options: dict[str, str | int | float | bool] = {"system_serial": system_serial}
    options.update((key, value) for key, value in (("sender", sender), ("system_version", system_version)) if value)
    if rule_ttl != 3600.0:
        options["rule_ttl"] = rule_ttl
    return _checked("ramen", endpoint, options, credentials=credentials, insecure=insecure, in_doubt=in_doubt)


def Tracker(  # noqa: N802  reads as what it makes, like a class
    endpoint: str,
    *,
    customer_id: int = -1,
    job: str = "",
    steps: str | Sequence[str] = (),
    credentials: str = "",
    insecure: bool = False,
    in_doubt: InDoubt = "",
) -> Destination:
    """Return a backend of trackerapi as destination.

    Args:
        endpoint: Base URL.
        customer_id: Of jobs that do not say theirs: an existing user of the backend. -1: each job says it.
        job: Tag of the job configuration of runs that do not say theirs. Empty: only uses that say so are jobs.
        steps: Tags of declared steps: a function of that name is the step, and no other step is sent. Empty: the steps
            that uses name are trusted.
        credentials: ``env:NAME`` or ``file:/path``, holding the header line ``x-api_key: ...``, with one hyphen and
            one underscore.
        insecure: Allow plain http to another machine.
        in_doubt: What to do after a request without an answer; "" drops and counts it, for a second copy of an event is
            a second event to the backend.

    Raises:
        ConfigurationError: The endpoint cannot be sent to, or an option is not offered.
    """
    from footfall.wire.tracker import TrackerWire  # noqa: PLC0415  only for those who have such a server

    declared = steps if isinstance(steps, str) else ",".join(steps)
    TrackerWire(customer_id=customer_id, job=job, steps=declared)  # it checks its own options
    options: dict[str, str | int | float | bool] = {} if customer_id == -1 else {"customer_id": customer_id}
    options.update((key, value) for key, value in (("job", job), ("steps", declared)) if value)
    return _checked("tracker", endpoint, options, credentials=credentials, insecure=insecure, in_doubt=in_doubt)


def _checked(
    wire: str,
    endpoint: str,
    options: dict[str, str | int | float | bool],
    *,
    credentials: str,
    insecure: bool,
    in_doubt: InDoubt,
    services: tuple[str, ...] = (),
) -> Destination:
    _one_of(wire, "in_doubt", in_doubt, get_args(InDoubt))
    return check(
        Destination(
            wire=wire,
            endpoint=endpoint,
            options=options,
            credentials=credentials,
            insecure=insecure,
            in_doubt=in_doubt,
            services=services,
        )
    )


def _services(given: str | Sequence[str]) -> tuple[str, ...]:
    words = (given,) if isinstance(given, str) and given else tuple(given)
    if not all(isinstance(cast("object", word), str) and word for word in words):
        msg = f"access: services {given!r:.80} must be services of the registry, such as 'intake_catalog'"
        raise ConfigurationError(msg)
    return tuple(dict.fromkeys(words))


def _one_of(wire: str, option: str, value: str, offered: tuple[str, ...]) -> None:
    if value not in offered:
        msg = f"{wire}: {option} {value!r} is not offered; say {' or '.join(repr(word) for word in offered)}"
        raise ConfigurationError(msg)
