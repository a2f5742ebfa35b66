"""nginx on loopback as a store of one object, fast enough for measurements, with the needed parts of S3 and GCS."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from function.source import ALGORITHMS
from tests.servers.process import free_port, running

CONFIG = """
{user}
daemon off;
worker_processes 2;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    default_type application/octet-stream;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    # As the big stores do: the cheaper cipher for every client.
    ssl_prefer_server_ciphers on;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;
    # S3 states a whole object's checksum in the response to a HEAD, not with a range.
    map $request_method $crc64nvme {{ HEAD "{crc64nvme}"; default ""; }}
    map $request_method $type {{ HEAD "FULL_OBJECT"; default ""; }}
    {servers}
}}
"""
SERVER = """
    server {{
        listen 127.0.0.1:{port}{ssl};
        {certificate}
        limit_rate {limit};
        location / {{ return 200; }}
        location /bucket/ {{
            alias {root}/;
            add_header x-amz-checksum-crc64nvme $crc64nvme;
            add_header x-amz-checksum-type $type;
        }}
        location /storage/v1/b/bucket/o/ {{ default_type application/json; return 200 '{metadata}'; }}
        location /download/storage/v1/b/bucket/o/ {{
            alias {root}/;
            add_header x-goog-generation 1;
            add_header x-goog-hash "crc32c={crc32c}";
        }}
    }}
"""


@dataclass(frozen=True)
class Nginx:
    """Base URLs by (TLS, limited), and the certificate authority of the TLS ones."""

    urls: dict[tuple[bool, bool], str]
    authority: Path


@contextlib.contextmanager
def nginx(path: Path, home: Path, *, limit: str = "80m") -> Iterator[Nginx]:
    """Serve the file at ``path`` as ``bucket/<its name>``; ``limit`` is bytes per second and connection."""
    crc32c, crc64nvme = (_checksum(path, name) for name in ("crc32c", "crc64nvme"))
    size = path.stat().st_size
    metadata = {
        "kind": "storage#object", "name": path.name, "bucket": "bucket", "size": str(size), "generation": "1",
        "crc32c": crc32c, "contentType": "application/octet-stream",
    }  # fmt: skip
    openssl = shutil.which("openssl")
    assert openssl
    command = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", f"{home}/key.pem", "-out", f"{home}/cert.pem",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    ports = {(tls, limited): free_port() for tls in (False, True) for limited in (False, True)}
    servers = "".join(
        SERVER.format(
            port=port,
            ssl=" ssl" if tls else "",
            certificate=f"ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;" if tls else "",
            limit=limit if limited else "0",
            root=path.parent,
            metadata=json.dumps(metadata),
            crc32c=crc32c,
        )
        for (tls, limited), port in ports.items()
    )
    config = home / "nginx.conf"
    config.write_text(
        CONFIG.format(user="user root;" if os.geteuid() == 0 else "", home=home, crc64nvme=crc64nvme, servers=servers)
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with running([program, "-c", str(config), "-p", str(home)], ports[False, False], home / "log"):
        urls = {kind: f"http{'s' if kind[0] else ''}://127.0.0.1:{port}" for kind, port in ports.items()}
        yield Nginx(urls, home / "cert.pem")


def _checksum(path: Path, name: str) -> str:
    algorithm = ALGORITHMS[name]
    update, check, buffer = algorithm.load(), 0, memoryview(bytearray(1 << 20))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            check = update(check, buffer[:count])
    return base64.b64encode(check.to_bytes(algorithm.width // 8, "big")).decode()
