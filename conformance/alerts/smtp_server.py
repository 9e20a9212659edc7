"""A mail server of others (aiosmtpd): takes mail over STARTTLS or TLS from one user, and prints each as a line of JSON.

    python smtp_server.py CERTIFICATE KEY USER PASSWORD starttls|tls
"""

import email
import email.policy
import json
import logging
import socket
import ssl
import sys
import threading
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

# Under TLS it warns of asking for a password without STARTTLS.
warnings.simplefilter("ignore")
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

certificate, key, user, password, encryption = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


class Printer:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "text": message.get_content(),
            "encrypted": encryption == "tls" or session.ssl is not None,
            "authenticated": session.authenticated,
        }
        print(json.dumps(told), flush=True)
        return "250 kept"


def check(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login.decode(), data.password.decode()) == (user, password), handled=False)


class OverStarttls(Controller):
    def factory(self):
        return SMTP(
            self.handler,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=check,
            hostname="mail.test",
        )


class OverTls(Controller):
    def factory(self):
        # aiosmtpd offers AUTH only where it knows of STARTTLS unless told that the connection is encrypted anyway.
        return SMTP(self.handler, auth_required=True, auth_require_tls=False, authenticator=check, hostname="mail.test")


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
Chosen = OverTls if encryption == "tls" else OverStarttls
server = Chosen(Printer(), hostname="127.0.0.1", port=port, **({"ssl_context": context} if encryption == "tls" else {}))
server.start()
print(json.dumps({"port": port}), flush=True)
threading.Event().wait()
