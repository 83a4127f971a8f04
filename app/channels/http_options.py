"""The fields that every HTTP kind has, and the endpoint that they describe."""

from __future__ import annotations

from typing import Annotated

from app.channels.fields import CaPem, field
from app.channels.http_endpoint import Endpoint
from app.channels.http_url import Proxy, WebAddress, proxied
from app.shapes import Shape, number


class HttpOptions(Shape):
    """What is asked of every HTTP system."""

    timeout: Annotated[float, number(1, 300)] = field(
        "TimeOut",
        "Seconds from 1 to 300 that one attempt may take, from connecting to the answer.",
        30.0,
        more=True,
    )
    verify_tls: bool = field(
        "Verify Certificate",
        "No: any certificate is taken, so messages could be read on the way.",
        True,
        more=True,
    )
    ca_pem: CaPem | None = field(
        "Private CA",
        "Certificate (PEM) of your own CA, or of the server itself, trusted besides the usual CAs.",
        None,
        shown_when={"verifyTls": [True]},
        more=True,
    )
    proxy: Proxy | None = field(
        "HTTP Proxy",
        "Scheme http, host and port of the proxy in between; empty: none.",
        None,
        more=True,
    )


def reached(address: WebAddress, options: HttpOptions) -> Endpoint:
    """Return the server of `address`, as `options` say that it is reached."""
    return Endpoint(
        address.scheme,
        address.host,
        address.port,
        options.ca_pem,
        options.verify_tls,
        proxied(options.proxy),
    )
