"""Pages over HTTP, as a scraper or a probe of health asks for them."""
import http.client


def get(port, path, method='GET', address='127.0.0.1'):
    """(status, body) of a page."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def attempt(port):
    """The status of /health, or None when nobody is there."""
    try:
        return get(port, '/health')[0]
    except OSError:
        return None
