"""Apache Kafka on this machine's JVM: one node in KRaft mode, a broker and its own controller."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.pipeline.processes import Restartable, free_port, listens

_CLUSTER_ID = "Zm9vdGZhbGwtdGVzdHMtMQ"
_FORMAT_SECONDS = 60

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={directory}
num.partitions=4
auto.create.topics.enable=true
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Broker(Restartable):
    """A broker that keeps its topics when it is killed.

    Args:
        jars: Folder with Kafka and what it needs.
        directory: For its data and its log.
    """

    def __init__(self, jars: Path, directory: Path) -> None:
        self.port = free_port()
        self._properties = directory / "kafka.properties"
        self._properties.write_text(
            _PROPERTIES.format(port=self.port, controller=free_port(), directory=directory / "kafka-data")
        )
        self._java = ["java", "-Xms256m", "-Xmx512m", "-cp", f"{jars}/*"]
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        super().__init__("kafka", directory, command, {"PATH": os.environ["PATH"]})
        self._format()

    @property
    def address(self) -> str:
        """For producers and consumers."""
        return f"127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether it listens, which it does last."""
        return listens(self.port)

    def _format(self) -> None:
        tool = [*self._java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._properties)]
        subprocess.run(tool, env=self.environment, capture_output=True, timeout=_FORMAT_SECONDS, check=True)
