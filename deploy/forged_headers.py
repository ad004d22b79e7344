"""What a visitor may not tell an app, since only a router could know it: gunicorn and others would believe it.

X-Forwarded-For, -Proto, -Host and -Port are not dropped but set. Names with an underscore are dropped all, since
SCRIPT_NAME and PATH_INFO would become what a server says, and X_FORWARDED_FOR what X-Forwarded-For is.
"""

FORGED_HEADERS = (
    "Forwarded",
    "Proxy",
    "Front-End-Https",
    "X-Forwarded-Ssl",
    "X-Forwarded-Protocol",
    "X-Forwarded-Scheme",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-User",
    "X-Real-Ip",
    "X-Toppcloud-Route",
    "X-Url-Scheme",
)
