"""The provider lab: local servers that speak the real protocols of the delivery providers.

Reads what Heliograph (or any other client) sends to SendGrid, an SMTP relay, FCM or APNs, writes it into a journal that
can be read back over HTTP, and misbehaves on request. It never talks to the Internet and listens on 127.0.0.1 only.
"""
