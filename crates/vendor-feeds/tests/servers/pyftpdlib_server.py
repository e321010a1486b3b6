"""An FTP server with TLS and MLSD, and with faults: it has no EPSV, and states an address that does not exist."""

import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import FTPServer

port, user, password, root, certificate = sys.argv[1:]
handler = TLS_FTPHandler
handler.authorizer = DummyAuthorizer()
# Lists, reads, deletes and renames.
handler.authorizer.add_user(user, password, root, perm="elrdf")
handler.certfile = certificate
handler.tls_control_required = True
handler.tls_data_required = True
handler.masquerade_address = "192.0.2.1"
handler.proto_cmds = {name: value for name, value in handler.proto_cmds.items() if name != "EPSV"}
FTPServer(("127.0.0.1", int(port)), handler).serve_forever()
