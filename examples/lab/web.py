"""The application in the pods: tells which pod it is and from where it was asked.

    python3 web.py PORT 'cluster-b app-0 (on node b1)'
"""
import http.server
import socket
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        client = self.client_address[0].removeprefix('::ffff:')
        text = f'{sys.argv[2]}, asked by {client}\n'.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


Server(('::', int(sys.argv[1])), Handler).serve_forever()
