"""The headers that every answer has, whatever it says (OWASP ASVS)."""

from typing import Final

SECURITY_HEADERS: Final = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    # Neither the language nor the library, with their versions, is anybody's business.
    "Server": "Enlace",
}
