"""A camera that speaks ONVIF, as far as finding its streams takes: WS-Discovery, SOAP, a digest of the password."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

GROUP = ("239.255.255.250", 3702)

_ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">{}<s:Body>{}</s:Body></s:Envelope>'
)
_DENIED = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code>"
    '<s:Reason><s:Text xml:lang="en">Sender not Authorized</s:Text></s:Reason></s:Fault>'
)


class OnvifDevice:
    """Serves at a port of its own, and answers probes on the loopback interface until it is closed.

    Args:
        streams: by token: address, width, height.
    """

    def __init__(self, streams: Mapping[str, tuple[str, int, int]], user: str, password: str, name: str) -> None:
        self.streams, self.user, self.password, self.name = streams, user, password, name
        device = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, body = device.reply(asked)
                said = _ENVELOPE.format("", body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/soap+xml")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.service = f"http://127.0.0.1:{self._server.server_port}/onvif/device_service"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._probed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._probed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._probed.bind(GROUP)
        member = struct.pack("4s4s", socket.inet_aton(GROUP[0]), socket.inet_aton("127.0.0.1"))
        self._probed.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        threading.Thread(target=self._answer_probes, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        with suppress(OSError):
            self._probed.shutdown(socket.SHUT_RDWR)  # wakes who waits for probes
        self._probed.close()

    def reply(self, asked: str) -> tuple[int, str]:
        """Status and body."""
        operation = re.search(r"Body[^>]*>\s*<(?:\w+:)?(\w+)", asked)[1]
        if operation == "GetSystemDateAndTime":
            return 200, _date(datetime.now(UTC))
        if operation in ("GetServices", "GetCapabilities"):
            return 200, getattr(self, operation)()
        if not self._knows(asked):
            return 400, _DENIED
        return 200, getattr(self, operation)(asked)

    def GetServices(self) -> str:  # noqa: N802
        both = "".join(
            f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{kind}/wsdl</tds:Namespace><tds:XAddr>{self.service}"
            "</tds:XAddr><tds:Version><tt:Major>2</tt:Major><tt:Minor>0</tt:Minor></tds:Version></tds:Service>"
            for kind in ("device", "media")
        )
        return f"<tds:GetServicesResponse>{both}</tds:GetServicesResponse>"

    def GetProfiles(self, _: str) -> str:  # noqa: N802
        profiles = "".join(
            f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
            '<tt:VideoEncoderConfiguration token="e"><tt:Name>e</tt:Name><tt:Encoding>H264</tt:Encoding><tt:Resolution>'
            f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
            "</tt:VideoEncoderConfiguration></trt:Profiles>"
            for token, (_, width, height) in self.streams.items()
        )
        return f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"

    def GetStreamUri(self, asked: str) -> str:  # noqa: N802
        token = re.search(r"ProfileToken>([^<]*)<", asked)[1]
        uri = f"<trt:MediaUri><tt:Uri>{self.streams[token][0]}</tt:Uri></trt:MediaUri>"
        return f"<trt:GetStreamUriResponse>{uri}</trt:GetStreamUriResponse>"

    def _knows(self, asked: str) -> bool:
        """By the digest of WS-Security's UsernameToken: SHA-1 of nonce, time and password."""
        told = {
            name: re.search(rf":{name}(?: [^>]*)?>([^<]*)<", asked)
            for name in ("Username", "Password", "Nonce", "Created")
        }
        if not all(told.values()):
            return False
        nonce = base64.b64decode(told["Nonce"][1])
        digest = hashlib.sha1(nonce + told["Created"][1].encode() + self.password.encode()).digest()
        return (told["Username"][1], told["Password"][1]) == (self.user, base64.b64encode(digest).decode())

    def _answer_probes(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                asked, sender = self._probed.recvfrom(65535)
                if not asked:
                    return
                number = re.search(r"MessageID>([^<]*)<", asked.decode())[1]
                head = f"<s:Header><a:RelatesTo>{number}</a:RelatesTo></s:Header>"
                scopes = f"onvif://www.onvif.org/name/{quote(self.name)} onvif://www.onvif.org/hardware/X1"
                match = (
                    "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:1</a:Address>"
                    f"</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes>"
                    f"<d:XAddrs>{self.service}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch>"
                    "</d:ProbeMatches>"
                )
                self._probed.sendto(_ENVELOPE.format(head, match).encode(), sender)


def _date(now: datetime) -> str:
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}"
        f"</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}"
        "</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )
