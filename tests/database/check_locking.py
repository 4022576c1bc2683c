"""Two runs at once with a real PostgreSQL: the second is told, and what one holds is free when it is over, or dead."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from footfall.collect.locking import advisory_lock
from footfall.facade import insights
from tests.facade import insightshelp as help_
from tests.facade.test_insights_collector import CALL, UNTIL


def check_postgres_keeps_a_second_run_away(
    postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, rows: int
) -> None:
    """insights.md section 8. By its own lock, whatever state directories the two have."""
    monkeypatch.setenv("FOOTFALL", "on")
    monkeypatch.setenv("FOOTFALL_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    inside, leave = threading.Event(), threading.Event()

    def hold(**_: Any) -> Any:
        inside.set()
        leave.wait(60)
        return 1

    def counted(**_: Any) -> Any:
        with psycopg.connect(postgres) as connection:
            found = connection.execute("SELECT count(*) FROM uses").fetchone()
        return found and found[0]

    with help_.Ingress() as server, psycopg.connect(postgres) as one, psycopg.connect(postgres) as other:
        first, second = help_.program(CALL, server.url), help_.program(CALL, server.url)
        monkeypatch.setattr(first, "db_connection", lambda: one)
        monkeypatch.setattr(second, "db_connection", lambda: other)
        first.collector_module.a = insights.register("json_a", "1.0")(hold)
        second.collector_module.a = insights.register("json_a", "1.0")(counted)
        thread = threading.Thread(target=first.gather, kwargs={"until": UNTIL})
        thread.start()
        assert inside.wait(60)
        assert second.gather(until=UNTIL) is None
        assert second.log == [("ERROR", "Not gathering analytics, another task holds lock")]
        leave.set()
        thread.join(60)
        assert second.gather(until=UNTIL) is not None
        told = [each["decoded"] for asked in server.asked for each in help_.members(help_.part_of(asked)[2])]
        assert rows in told


@pytest.mark.parametrize("ending", ["a statement that failed", "a session that was ended"])
def check_postgres_lock_is_free_after(postgres: str, ending: str, hidden_errors: list[Any]) -> None:
    """What a collector did to the connection neither keeps the lock nor undoes the run."""
    holder = psycopg.connect(postgres)
    with psycopg.connect(postgres, autocommit=True) as other:
        with advisory_lock(holder) as acquired:
            assert acquired
            with advisory_lock(other) as again:
                assert not again
            if ending == "a statement that failed":
                with pytest.raises(psycopg.errors.UndefinedTable):
                    holder.execute("SELECT 1 FROM nowhere")
            else:
                other.execute("SELECT pg_terminate_backend(%s)", (holder.info.backend_pid,))
        with advisory_lock(other) as again:
            assert again
    holder.close()
    assert [doing for doing, _ in hidden_errors] == ["advisory lock"] * (ending == "a session that was ended")
