"""`Package`: one tarball, what it is called, and how it is authenticated."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from footfall.collect import package as core
from footfall.collect.shipping import Parcel, Piece
from footfall.destination import Destination
from footfall.errors import FootfallError
from footfall.facade.insights import delivery

if TYPE_CHECKING:
    from footfall.collect.collection import Collection
    from footfall.facade.insights.collector import Collector


class Package(core.Package):
    """One tarball. To be derived from: say where it goes, and who you are.

    Args:
        collector: Whose.
    """

    CERT_PATH = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    PAYLOAD_CONTENT_TYPE = "application/vnd.redhat.TODO+tgz"
    """To be overridden: ``application/vnd.redhat.<service>.<category>+tgz``. Servers refuse this one."""

    SHIPPING_AUTH_USERPASS = "user-pass"
    SHIPPING_AUTH_S3_USERPASS = "user-pass-s3"
    SHIPPING_AUTH_IDENTITY = "x-rh-identity"
    SHIPPING_AUTH_CERTIFICATES = "mutual-tls"

    DEFAULT_RHSM_CERT_FILE = "/etc/pki/consumer/cert.pem"
    DEFAULT_RHSM_KEY_FILE = "/etc/pki/consumer/key.pem"

    MAX_DATA_SIZE = core.MAX_DATA_BYTES

    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self.collector = collector
        self.logger = collector.logger

    @classmethod
    def max_data_size(cls) -> int:
        """Return the bytes that a package may hold before compression."""
        return cls.MAX_DATA_SIZE

    @property
    def collection_keys(self) -> list[str]:
        """Keys of what is in there; with ``manifest`` when the tarball is made."""
        return [collection.key for collection in self.collections] + ["manifest"] * (self.manifest_bytes > 0)

    @property
    def total_data_size(self) -> int:
        """Bytes of what is in there, with the manifest when the tarball is made."""
        return self.data_bytes + self.manifest_bytes

    @property
    def tar_path(self) -> str | None:
        """Path of the tarball; None before it was made."""
        return str(self.path) if self.path is not None else None

    @property
    def shipping_successful(self) -> bool | None:
        """Whether the server took it; False also where it waits for a better time; None before it was tried."""
        return self.shipped

    def add_collection(self, collection: Collection) -> None:
        """Put *collection* in."""
        self.add(collection)

    def is_key_used(self, key: str) -> bool:
        """Whether something with *key* is in there."""
        return self.has_key(key)

    def has_free_space(self, requested_size: int) -> bool:
        """Whether that many bytes more are within the limit."""
        return self.has_room(requested_size, self.max_data_size())

    def delete_collected_files(self) -> None:
        """Remove what the tarball was made of."""
        for collection in self.collections:
            collection.cleanup()

    def make_tgz(self) -> bool:
        """Make the tarball; return whether that worked. What went wrong is logged."""
        collector = self.collector
        folder = collector.tar_dir
        try:
            used = (Path(path).name for path in collector.all_tar_paths())
            self.path = core.free_path(folder, self._tarname_base(), used)
            config = collector.collections["config"]
            self.manifest_bytes = core.write_tarball(self.path, self.collections, config, collector)
        except Exception as error:
            self.logger.exception("Failed to write analytics archive file: %s", error)  # noqa: TRY401  as its users know it
            if self.path is not None:
                self.path.unlink(missing_ok=True)
            self.path = None
            return False
        return True

    def shipping_auth_mode(self) -> str:
        """Return how the server knows us: one of the four ``SHIPPING_AUTH_...``."""
        return self.SHIPPING_AUTH_USERPASS

    def is_shipping_configured(self) -> bool:
        """Whether there is a tarball, and all that its way of authenticating needs; logs what is missing."""
        if self.path is None or not self.path.is_file():
            self.logger.error("Insights for Ansible Automation Platform TAR not found")
            return False
        if self._payload_content_type() == Package.PAYLOAD_CONTENT_TYPE:
            self.logger.error("PAYLOAD_CONTENT_TYPE is not set, and servers refuse the one that stands for it")
            return False
        mode = self.shipping_auth_mode()
        needed = {
            self.SHIPPING_AUTH_USERPASS: (
                (self.get_ingress_url, "AUTOMATION_ANALYTICS_URL"),
                (self._get_rh_user, "REDHAT_USERNAME"),
                (self._get_rh_password, "REDHAT_PASSWORD"),
            ),
            self.SHIPPING_AUTH_S3_USERPASS: (
                (self.get_s3_configured, "S3 configuration"),
                (self._get_rh_user, "aws_access_key_id"),
                (self._get_rh_password, "aws_secret_access_key"),
                (self._get_rh_region, "aws_region"),
                (self._get_rh_bucket, "aws_bucket"),
            ),
            self.SHIPPING_AUTH_IDENTITY: ((self.get_ingress_url, "AUTOMATION_ANALYTICS_URL"),),
            self.SHIPPING_AUTH_CERTIFICATES: ((self.get_ingress_url, "AUTOMATION_ANALYTICS_URL"),),
        }.get(mode)
        if needed is None:
            self.logger.error("%r is no way to authenticate; nothing is sent without credentials", mode)
            return False
        for ask, name in needed:
            if not ask():
                self.logger.error("%s is not set", name)
                return False
        return True

    def parcel(self, pieces: tuple[Piece, ...]) -> Parcel | None:
        """Return what is handed over for delivery; None where shipping is not configured, which is logged."""
        if self.path is None or not self.is_shipping_configured():
            return None
        try:
            destination = self._destination()
        except FootfallError as error:
            self.logger.error("Package %s has nowhere to go: %s", self.path.name, error)  # noqa: TRY400  says it all
            return None
        return Parcel(
            path=self.path,
            content_type=self._payload_content_type(),
            request_id=self.request_id,
            destination=destination,
            pieces=pieces,
        )

    # To be overridden. None of them has to be: what is not needed is not asked for.

    def get_ingress_url(self) -> str | None:
        """Return the URL to post to."""
        return None

    def get_s3_configured(self) -> Any:
        """Return whether the bucket is configured."""
        return None

    def _get_http_request_headers(self) -> Mapping[str, str] | None:
        """Return further headers, such as ``User-Agent``. A new or the same mapping: it is not changed."""
        return None

    def _get_rh_user(self) -> str | None:
        """Return the user's name, or the access key of the bucket."""
        return None

    def _get_rh_password(self) -> str | None:
        """Return the password, or the secret key of the bucket."""
        return None

    def _get_rh_region(self) -> str | None:
        """Return the region of the bucket."""
        return None

    def _get_rh_bucket(self) -> str | None:
        """Return the name of the bucket."""
        return None

    def _get_client_certificates(self) -> str | tuple[str, str]:
        """Return the path of a file with certificate and key, or those of two."""
        return self.DEFAULT_RHSM_CERT_FILE, self.DEFAULT_RHSM_KEY_FILE

    def _get_x_rh_identity(self) -> bytes | str:
        """Return the value of the header ``x-rh-identity``."""
        identity = {
            "type": "User",
            "account_number": "0000001",
            "user": {"is_org_admin": True},
            "internal": {"org_id": "000001"},
        }
        return base64.b64encode(json.dumps({"identity": identity}).encode())

    def _payload_content_type(self) -> str:
        """Return the content type of the tarball, by which the server knows what it is."""
        return self.PAYLOAD_CONTENT_TYPE

    def _tarname_base(self) -> str:
        """Return what the tarball's name begins with."""
        return core.tarball_base(self.collector)

    def _destination(self) -> Destination:
        mode, url, label = self.shipping_auth_mode(), self.get_ingress_url() or "", self.collector.state_name()
        user, password = self._get_rh_user() or "", self._get_rh_password() or ""
        if mode == self.SHIPPING_AUTH_S3_USERPASS:
            region, bucket = self._get_rh_region() or "", self._get_rh_bucket() or ""
            return delivery.bucket(url, region, bucket, (user, password), label)
        headers = dict(self._get_http_request_headers() or {})
        options: dict[str, str | int | float | bool] = {}
        if mode == self.SHIPPING_AUTH_USERPASS:
            headers["Authorization"] = delivery.basic(user, password)
            options["ca_file"] = self.CERT_PATH if url.startswith("https:") else ""
        elif mode == self.SHIPPING_AUTH_IDENTITY:
            identity = self._get_x_rh_identity()
            headers["x-rh-identity"] = identity if isinstance(identity, str) else identity.decode("ascii")
        else:
            files = self._get_client_certificates()
            options["auth"] = "mutual-tls"
            options["certificate"], options["private_key"] = (files, "") if isinstance(files, str) else files
        return delivery.ingress(url, headers.items(), options, label)
