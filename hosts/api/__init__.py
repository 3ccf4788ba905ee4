"""The REST API of hosts, storage and guests: reads the input, looks up what the caller may see, calls one action.

What one may not see is 404, what one may see but not do is 403. Errors of hosts become RFC 9457 problems in kvmconsole.api.
"""
