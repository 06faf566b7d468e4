"""The configuration of the gateway's servers: squid, nginx, nftables. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prodigy.sandbox.egress import MODEL_PATHS

if TYPE_CHECKING:
    from prodigy.egress_rule import EgressRule
    from prodigy.sandbox.egress import Egress, Model

PROXY_PORT = 3128
MODEL_PORT = 8080
ACCESS_LOG = "/run/log/access.log"
"""One line for each request to the forward proxy: client, whether it was let through, method, target."""
PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
)
"""What is never connected to (IANA's special-purpose registry): private, loopback, link-local, multicast.

IPv6 is not spoken at all.
"""

_SQUID = """\
http_port {port}
visible_hostname gateway
pid_filename /run/squid.pid
cache_effective_user proxy
cache deny all
cache_mem 8 MB
memory_pools off
shutdown_lifetime 0 seconds
via off
forwarded_for delete
pinger_enable off
netdb_filename none
coredump_dir /run/log
cache_log /run/log/squid.log
logformat gateway %>a %Ss %rm %ru
access_log stdio:{log} gateway
buffered_logs off
acl private dst {private}
{rules}
deny_info ERR_REFUSED listed private
http_access deny !listed
http_access deny private
http_access allow listed
http_access deny all
"""

_NGINX = """\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /run/log/nginx.log warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    server_tokens off;
    client_max_body_size 128m;
    client_body_temp_path /run/nginx-body;
    proxy_temp_path /run/nginx-proxy;
    fastcgi_temp_path /run/nginx-fastcgi;
    uwsgi_temp_path /run/nginx-uwsgi;
    scgi_temp_path /run/nginx-scgi;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_read_timeout 900s;
    proxy_send_timeout 900s;
    proxy_ssl_server_name on;
    proxy_ssl_name {host};
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 5;
    proxy_ssl_trusted_certificate /run/gateway/ca.crt;
    keepalive_timeout 900s;
    upstream model {{ server {host}:{upstream_port}; keepalive 32; }}
    map $http_anthropic_beta $betas {{ "" "{beta}"; default "$http_anthropic_beta{more_beta}"; }}
    server {{
        listen {port};
{locations}
        location / {{ return 403; }}
    }}
}}
"""
_LOCATION = """\
        location = {path} {{
            limit_except POST {{ deny all; }}
            proxy_pass {scheme}://model{prefix}{path}$is_args$args;
            proxy_set_header Host {authority};
            proxy_set_header Connection "";
            proxy_set_header Cookie "";
            proxy_set_header Proxy-Authorization "";
            proxy_set_header x-api-key "{api_key}";
            proxy_set_header Authorization "{authorization}";
            proxy_set_header anthropic-beta $betas;
        }}"""
_OAUTH = "oauth-2025-04-20"
"""The feature that the endpoint wants named where the credential is an OAuth token."""

_FIREWALL = """\
table inet gateway {{
    chain input {{
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        iifname "eth0" drop
        meta nfproto ipv4 tcp dport {{ {listening} }} accept
        reject
    }}
    chain forward {{ type filter hook forward priority 0; policy drop; }}
    chain output {{
        type filter hook output priority 0; policy drop;
        oif lo accept
        ct state established,related accept
        meta nfproto ipv6 reject
        udp dport 53 accept
        tcp dport 53 accept
{model}\
        ip daddr {{ {private} }} reject
        meta skuid "proxy" tcp dport {{ {ports} }} accept
        reject
    }}
}}
"""


def squid_conf(egress: Egress) -> str:
    """The forward proxy: names are checked before anything is resolved, addresses after it."""
    lines = []
    for number, rule in enumerate(egress.rules):
        lines.append(_name_acl(number, rule))
        lines.append(f"acl port{number} port {' '.join(map(str, rule.ports))}")
        lines.append(f"acl rule{number} all-of name{number} port{number}")
    if egress.model is not None:
        # The way to the model leads through the other server, which replaces credentials.
        lines.append(f"acl model dstdomain -n {egress.model.host}")
        lines.append("deny_info ERR_REFUSED model")
        lines.append("http_access deny model")
    listed = " ".join(f"rule{number}" for number in range(len(egress.rules)))
    lines.append(f"acl listed any-of {listed}" if listed else "acl listed dstdomain -n nothing.invalid")
    return _SQUID.format(port=PROXY_PORT, log=ACCESS_LOG, private=" ".join(PRIVATE), rules="\n".join(lines))


def _name_acl(number: int, rule: EgressRule) -> str:
    if rule.below:
        return rf"acl name{number} dstdom_regex -n -i ^.+\.{re.escape(rule.name)}\.?$"
    return f"acl name{number} dstdomain -n {rule.name}"


def nginx_conf(model: Model) -> str:
    """The reverse proxy: one upstream, its known paths, and the credential in place of any other."""
    default = 443 if model.secure else 80
    authority = model.host if model.port == default else f"{model.host}:{model.port}"
    is_key = model.kind == "api_key"
    locations = [
        _LOCATION.format(
            path=path,
            scheme="https" if model.secure else "http",
            prefix=model.path,
            authority=authority,
            api_key=model.credential if is_key else "",
            authorization="" if is_key else f"Bearer {model.credential}",
        )
        for path in MODEL_PATHS
    ]
    beta = _OAUTH if model.kind == "oauth_token" else ""
    return _NGINX.format(
        host=model.host,
        upstream_port=model.port,
        port=MODEL_PORT,
        locations="\n".join(locations),
        beta=beta,
        more_beta=f",{beta}" if beta else "",
    )


def firewall(egress: Egress) -> str:
    """What holds whatever the servers believe: it sees the address of each connection."""
    ports = sorted({port for rule in egress.rules for port in rule.ports} or {443})
    model = ""
    if egress.model is not None:
        model = f'        meta skuid "www-data" tcp dport {egress.model.port} accept\n'
    return _FIREWALL.format(
        listening=f"{PROXY_PORT}, {MODEL_PORT}" if egress.model else PROXY_PORT,
        model=model,
        private=", ".join(PRIVATE),
        ports=", ".join(map(str, ports)),
    )
