"""Configuration files of the embedded ClickHouse: small pools, moderate memory, no system logs, loopback only."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import psutil

USER: Final = "babelwatch"
DATABASE: Final = "babelwatch"
KEEPALIVE: Final = "babelwatch-keepalive"

# The server of clickhouse-local runs system logs (query_log, trace_log, metric_log ...) only when they are configured;
# none is, so the data folder holds our tables and nothing else.
_CONFIG: Final = """<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{tcp}</tcp_port>
  <http_port>{http}</http_port>
  <users_config>{users}</users_config>
  <tmp_path>{tmp}/</tmp_path>
  <timezone>UTC</timezone>
  <log-level>warning</log-level>
  <logger>
    <level>warning</level><log>{log}</log><errorlog>{errors}</errorlog><size>10M</size><count>1</count>
  </logger>
  <macros><cluster>default</cluster><shard>01</shard><replica>r1</replica></macros>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <shutdown_wait_unfinished>1</shutdown_wait_unfinished>
  <max_concurrent_queries>64</max_concurrent_queries>
  <max_thread_pool_size>256</max_thread_pool_size>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
"""

# The server itself logs in as `default` with an empty password (a password there stops its start), and its file() has
# no path limits. No network rule tells it from clients on loopback, so `default` may do what keeps the server alive and
# nothing else: whoever reaches the port without the password can at worst stop the server, never read or write.
_USERS: Final = """<clickhouse>
  <profiles><default>
    <max_threads>{threads}</max_threads>
    <max_memory_usage>{query_memory}</max_memory_usage>
    <poll_interval>1</poll_interval>
  </default></profiles>
  <users>
    <default>
      <password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT SELECT ON system.numbers</query>
      </grants>
    </default>
    <{user}>
      <password_sha256_hex>{sha}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
    </{user}>
  </users>
  <quotas><default/></quotas>
</clickhouse>
"""


@dataclass(frozen=True)
class Limits:
    """Memory and threads. Moderate: models, workers and a browser share the machine."""

    memory_bytes: int
    query_memory_bytes: int
    threads: int

    @classmethod
    def for_this_machine(cls) -> "Limits":
        """A quarter of the memory, between 1 and 4 GiB, three quarters of that for one query; 2 to 8 threads."""
        memory = min(max(psutil.virtual_memory().total // 4, 2**30), 4 * 2**30)
        return cls(memory, memory // 4 * 3, min(max(psutil.cpu_count() or 2, 2), 8))


def write(folder: Path, logs: Path, tcp: int, http: int, password: str, limits: Limits) -> Path:
    """Write ``config.xml`` and ``users.xml`` (mode 600) into ``folder/config``; returns that folder.

    The files hold the SHA-256 of the password, not the password.
    """
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    files = {
        "users.xml": _USERS.format(
            user=USER,
            sha=hashlib.sha256(password.encode()).hexdigest(),
            threads=limits.threads,
            query_memory=limits.query_memory_bytes,
        ),
        "config.xml": _CONFIG.format(
            tcp=tcp,
            http=http,
            users=escape(str(config / "users.xml")),
            tmp=escape(str(folder / "tmp")),
            log=escape(str(logs / "clickhouse-server.log")),
            errors=escape(str(logs / "clickhouse-server.err.log")),
            memory=limits.memory_bytes,
        ),
    }
    for name, text in files.items():
        path = config / name
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text, encoding="utf-8")
    return config
