"""The formats that are known by name: format strings of servers, each with an example and a description.

A new format of an access log is a row of `FORMATS`. Not here: how a format string becomes a grammar (`grammar/`), and
formats of other kinds, which their readers name (`readers/`).
"""

from __future__ import annotations

from typing import NamedTuple


class NamedFormat(NamedTuple):
    """A format known by name: its format string ("" where the kind has one form), an example line, a description.

    A loose format takes whatever follows, so it is detected only if none that says what follows fits.
    """

    name: str
    string: str
    example: str
    description: str
    loose: bool = False


_TIME = "[17/May/2015:10:05:03 +0000]"
_REQUEST = f'{_TIME} "GET /a HTTP/1.1" 200 12'
_COMMON = '$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent'
_REFERER_AGENT = '"$http_referer" "$http_user_agent"'
_SYSLOG = "%[syslog_month] %[syslog_day] %[syslog_clock] %H haproxy[%pid]:"
HAPROXY_HTTP = (
    "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r"
)
HAPROXY_TCP = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
_ELB_HEAD = (
    "${time:iso} $elb ${host:address} ${target:address} ${request_processing_s:float} ${target_processing_s:float} "
    '${response_processing_s:float} $status ${target_status:int} ${bytes_received:int} ${size:int} "$request"'
)
_AGENT_SSL = '"$http_user_agent" $ssl_cipher $ssl_protocol'
FORMATS: tuple[NamedFormat, ...] = (
    NamedFormat(
        "combined",
        r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"",
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0"',
        "what Apache and nginx call combined: the default of Debian's packages of both",
    ),
    NamedFormat(
        "common",
        r"%h %l %u %t \"%r\" %>s %b",
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12',
        "the Common Log Format: combined without referer and agent",
    ),
    NamedFormat(
        "vhost",
        '$vhost_port $remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent '
        '"$http_referer" "$http_user_agent"',
        f'www.example.org:443 192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0"',
        "combined behind the name of the virtual host, with or without its port (Apache's vhost_combined)",
    ),
    NamedFormat(
        "nginx_main",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" "$http_x_forwarded_for"',
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0" "198.51.100.4, 203.0.113.9"',
        "combined, then X-Forwarded-For: `main` in the nginx.conf of nginx's own packages and Docker image",
    ),
    NamedFormat(
        "ingress_nginx",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] '
        "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id",
        f'192.0.2.7 - - {_REQUEST} "-" "curl/8.5.0" 89 0.004 [default-web-80] [] 10.0.0.5:80 12 0.004 200 529a1d',
        "the default of ingress-nginx in Kubernetes: combined, then lengths, times and the upstream server",
    ),
    NamedFormat(
        "traefik",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $quoted_referer '
        "$quoted_agent $request_count $quoted_router $quoted_server_url ${duration_ms}ms",
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0" 7 "web@docker" "http://10.0.0.3:80" 4ms',
        "Traefik's common log format: combined, then request count, router, server and milliseconds",
    ),
    NamedFormat(
        "haproxy_http",
        HAPROXY_HTTP,
        "10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 "
        '0/0 {1wt.eu} {} "GET /index.html?a=1 HTTP/1.1"',
        "HAProxy's `option httplog`, without the header of syslog",
    ),
    NamedFormat(
        "haproxy_tcp",
        HAPROXY_TCP,
        "10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        "HAProxy's `option tcplog`, without the header of syslog",
    ),
    NamedFormat(
        "haproxy_http_syslog",
        f"log-format {_SYSLOG} {HAPROXY_HTTP}",
        "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 "
        '10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1"',
        "HAProxy's `option httplog`, as syslog writes it",
    ),
    NamedFormat(
        "haproxy_tcp_syslog",
        f"log-format {_SYSLOG} {HAPROXY_TCP}",
        "Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 "
        "212 -- 0/0/0/0/3 0/0",
        "HAProxy's `option tcplog`, as syslog writes it",
    ),
    NamedFormat(
        "envoy",
        '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
        "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
        '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"',
        '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations?a=1 HTTP/2" 204 - 154 0 226 100 "10.0.35.28" '
        '"nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "10.0.2.1:80"',
        "Envoy's default",
    ),
    NamedFormat(
        "alb",
        f'$type {_ELB_HEAD} {_AGENT_SSL} $target_group_arn "$trace_id" "$domain_name" "$chosen_cert_arn" '
        '${matched_rule_priority:int} $request_creation_time "$actions_executed" "$redirect_url" "$error_reason" '
        '"$target_list" "$target_status_list" "$classification" "$classification_reason"$further_values',
        "h2 2018-07-02T22:23:00.186641Z app/my-lb/50dc6c495c 10.0.1.252:48160 10.0.0.66:9000 0.000 0.002 0.000 200 "
        '200 5 257 "GET https://10.0.2.105:773/ HTTP/2.0" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
        'arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my/73e2d6bc24d8 "Root=1-58337327" "-" "-" 1 '
        '2018-07-02T22:22:48.364000Z "redirect" "https://example.com:80/" "-" "10.0.0.66:9000" "200" "-" "-" TID_12',
        "AWS Application Load Balancer",
    ),
    NamedFormat(
        "elb",
        f"{_ELB_HEAD} {_AGENT_SSL}",
        "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 "
        '200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -',
        "AWS Classic Load Balancer",
    ),
    NamedFormat(
        "s3",
        '$bucket_owner $bucket [$time_local] $remote_addr $requester $request_id $operation $key "$request" $status '
        "$error_code ${size:int} ${object_size:int} ${total_ms:int} ${turn_around_ms:int} ${referer:quoted} "
        "${agent:quoted} $version_id $host_id $signature_version $cipher_suite $auth_type $host_header $tls_version"
        "$further_values",
        "79a59df900b949e5 awsexamplebucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e5 3E57427F3EXAMPLE "
        'REST.GET.OBJECT photos/a.jpg "GET /awsexamplebucket1/photos/a.jpg?x=1 HTTP/1.1" 200 - 113 4406 7 6 "-" '
        '"S3Console/0.4" - s9lzHYrFp76Z= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader '
        "awsexamplebucket1.s3.us-west-1.amazonaws.com TLSv1.2 - -",
        "AWS S3 server access log",
    ),
    NamedFormat(
        "squid",
        "${time:epoch} ${duration_ms:padded} $remote_addr $result/$status ${size:int} $request_method $request_uri "
        "$user $hierarchy/$peer $content_type",
        "1157689312.049   5006 10.105.21.199 TCP_MISS/200 19763 CONNECT login.yahoo.com:443 badeyek "
        "DIRECT/209.73.177.115 -",
        "Squid's native format",
    ),
    NamedFormat(
        "combined_extra",
        f"{_COMMON} {_REFERER_AGENT}$further_values",
        f'192.0.2.7 - - {_REQUEST} "-" "curl/8.5.0" 0.007 "hit"',
        "combined and any number of further values: extra_1, extra_2, …",
        loose=True,
    ),
    NamedFormat(
        "vhost_extra",
        f"$vhost_port {_COMMON} {_REFERER_AGENT}$further_values",
        f'www.example.org:443 192.0.2.7 - - {_REQUEST} "-" "curl/8.5.0" 0.007',
        "vhost and any number of further values: extra_1, extra_2, …",
        loose=True,
    ),
    NamedFormat(
        "common_extra",
        f"{_COMMON}$further_values",
        f"192.0.2.7 - - {_REQUEST} 7 0.004",
        "common and any number of further values: extra_1, extra_2, …",
        loose=True,
    ),
)
"""In the order in which they are preferred when several fit a file equally well."""

STRINGS = {known.name: known.string for known in FORMATS}
STRINGS["vhost_combined"] = STRINGS["vhost"]
